/**
 * The policies that layers have put around a program.
 *
 * Each has a key of its own: what is merged, built once for two places, or provided within another would replace what one key
 * holds, and a policy is not to be replaced.
 */
import * as Context from "effect/Context"
import type { AddressPolicy } from "../AddressPolicy.ts"

const prefix = "@effect-winsock/core/AddressPolicy/layer/"

/** Spares those who have no such layer the search. */
const Any: Context.Reference<boolean> = Context.Reference("@effect-winsock/core/AddressPolicy/any", {
  defaultValue: () => false
})

let count = 0

/** What a layer of the policy adds to a context. */
export const entry = (policy: AddressPolicy): ReadonlyMap<string, unknown> =>
  new Map<string, unknown>([[`${prefix}${count++}`, policy], [Any.key, true]])

const none: ReadonlyArray<AddressPolicy> = []

/** The policies of all layers around. */
export const of = (context: Context.Context<never>): ReadonlyArray<AddressPolicy> => {
  if (!Context.get(context, Any)) return none
  const policies: Array<AddressPolicy> = []
  for (const [key, value] of context.mapUnsafe) if (key.startsWith(prefix)) policies.push(value as AddressPolicy)
  return policies
}
