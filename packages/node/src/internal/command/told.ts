/**
 * What came of a connect beside the connection, as the reports have it.
 */
import { Qos, type Winsock } from "@effect-winsock/core"
import * as Report from "../../Report.ts"

/** How many of the bytes a report has. */
const kept = 4096

export const userData = (data: Uint8Array): Report.UserData => {
  const head = Buffer.from(data.subarray(0, kept))
  return new Report.UserData({ bytes: data.length, text: head.toString(), hex: head.toString("hex") })
}

const flow = ({ asked, groupShaped, ignored, marked, reserved, shaped }: Qos.AppliedFlow): Report.Flow =>
  new Report.Flow({
    ignored,
    ...(asked === undefined ? {} : { asked }),
    ...(marked === undefined ? {} : { marked }),
    ...(reserved === undefined ? {} : { reserved }),
    ...(shaped === undefined ? {} : { shaped: flat(shaped) }),
    ...(groupShaped === undefined ? {} : { groupShaped: flat(groupShaped) })
  })

const flat = ({ peakBandwidth, ...shaped }: Qos.ShapedFlow) => ({
  ...shaped,
  ...(peakBandwidth === undefined ? {} : { peakBandwidth })
})

export const applied = ({ receiving, sending }: Qos.Applied): Report.Applied =>
  new Report.Applied({ sending: flow(sending), receiving: flow(receiving) })

/** What was applied, where anything was asked for, and what came back, where anything did. */
export const ofConnected = (
  connected: Pick<Winsock.Connected, "applied" | "calleeData">
): Pick<Report.ConnectReport, "applied" | "calleeData"> => ({
  ...(connected.applied === Qos.nothingApplied ? {} : { applied: applied(connected.applied) }),
  ...(connected.calleeData.length === 0 ? {} : { calleeData: userData(connected.calleeData) })
})

/** What a caller came with. */
export const ofRequest = (
  { callerData, gqos, sqos }: Pick<Winsock.ConnectionRequest, "callerData" | "gqos" | "sqos">
): Pick<Report.CallerReport, "callerData" | "qos" | "groupQos"> => ({
  ...(callerData.length === 0 ? {} : { callerData: userData(callerData) }),
  ...(sqos === undefined ? {} : { qos: flows(sqos) }),
  ...(gqos === undefined ? {} : { groupQos: flows(gqos) })
})

const flows = ({ receiving, sending }: Qos.Qos) => ({
  ...(sending === undefined ? {} : { sending }),
  ...(receiving === undefined ? {} : { receiving })
})
