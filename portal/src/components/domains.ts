/** Domains in the order in which they are offered: what can be exported comes first, as it can do all others can. */
import type { Schemas } from "@/api/client";

type Domain = Schemas["Domain"];

export function domainsOf(domains: readonly Domain[], kind: Schemas["DomainType"]): Domain[] {
  const offered = domains.filter(({ type, enabled }) => type === kind && enabled);
  return [...offered.filter(({ exportable }) => exportable), ...offered.filter(({ exportable }) => !exportable)];
}
