/** The filters of the audit log, kept in the page's address. */

export interface Filters {
  projectId?: string;
  keyId?: string;
  action?: string;
  /** As a field of the browser has them: local time without an offset. */
  since?: string;
  until?: string;
}

const NAMES = ["projectId", "keyId", "action", "since", "until"] as const satisfies readonly (keyof Filters)[];

export function filtersOf(address: URLSearchParams): Filters {
  const set = NAMES.map((name) => [name, address.get(name) || undefined] as const);
  return Object.fromEntries(set.filter(([, value]) => value !== undefined));
}

/** The address with a filter changed, the rest of it as it is. */
export function withFilter(address: URLSearchParams, name: keyof Filters, value: string | null): URLSearchParams {
  const next = new URLSearchParams(address);
  if (value) next.set(name, value);
  else next.delete(name);
  return next;
}

export function withoutFilters(address: URLSearchParams): URLSearchParams {
  const next = new URLSearchParams(address);
  for (const name of NAMES) next.delete(name);
  return next;
}

/** As the API takes them. */
export function queryOf({ since, until, ...rest }: Filters): Filters {
  return { ...rest, ...(since && moment("since", since)), ...(until && moment("until", until)) };
}

function moment(name: "since" | "until", local: string): Filters {
  const time = new Date(local);
  return Number.isNaN(time.getTime()) ? {} : { [name]: time.toISOString() };
}
