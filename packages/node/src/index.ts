export * as NodeConnector from "./NodeConnector.ts"
export * as NodeProvider from "./NodeProvider.ts"
export * as NodeWinsock from "./NodeWinsock.ts"
export * as Report from "./Report.ts"
