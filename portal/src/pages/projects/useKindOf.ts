import type { Schemas } from "@/api/client";
import { useDomains } from "@/api/shared";

/** What projects of a domain do; undefined until known. */
export function useKindOf(domainId: string): Schemas["DomainType"] | undefined {
  return useDomains().data?.find(({ id }) => id === domainId)?.type;
}
