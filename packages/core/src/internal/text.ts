/**
 * Text as bytes. The types of this package are those of every host, and all hosts have these two.
 */
declare const TextEncoder: new() => { readonly encode: (text: string) => Uint8Array }
declare const TextDecoder: new(
  label: string,
  options: { readonly fatal: boolean; readonly ignoreBOM: boolean }
) => { readonly decode: (bytes: Uint8Array) => string }

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

export const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

/** `undefined` where the bytes are no UTF-8. */
export const decode = (bytes: Uint8Array): string | undefined => {
  try {
    return strict.decode(bytes)
  } catch {
    return undefined
  }
}
