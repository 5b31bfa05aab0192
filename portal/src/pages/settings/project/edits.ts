/**
 * What was typed over a project's settings, field by field. Fields that were not touched follow the server, so
 * that saving leaves what somebody else changed there.
 */
import type { Schemas } from "@/api/client";

export interface Fields {
  name: string;
  description: string;
  domainId: string;
  /** Null where the kind of the project has none. */
  classificationType: Schemas["Classifier"] | null;
}

export type Field = keyof Fields;

interface Edit<Value> {
  typed: Value;
  /** What the server had when the typing began. */
  over: Value;
}

export type Edits = { [F in Field]?: Edit<Fields[F]> };

const FIELDS = ["name", "description", "domainId", "classificationType"] as const satisfies readonly Field[];

export function fieldsOf({ name, description, settings }: Schemas["ProjectSummary"]): Fields {
  return { name, description, domainId: settings.domainId, classificationType: settings.classificationType };
}

/** What the fields show. */
export function shown(edits: Edits, saved: Fields): Fields {
  return { ...saved, ...changes(edits, saved) };
}

/** What would be saved. */
export function changes(edits: Edits, saved: Fields): Partial<Fields> {
  const touched = FIELDS.filter((field) => edits[field] && edits[field].typed !== saved[field]);
  return Object.fromEntries(touched.map((field) => [field, edits[field]?.typed])) as Partial<Fields>;
}

export function edited<F extends Field>(edits: Edits, saved: Fields, field: F, typed: Fields[F]): Edits {
  const over = edits[field] ? edits[field].over : saved[field];
  return { ...edits, [field]: { typed, over } };
}

/** Fields that were changed on the server too while they were typed in here. */
export function conflicts(edits: Edits, saved: Fields): Field[] {
  return FIELDS.filter((field) => {
    const edit = edits[field];
    return edit && edit.over !== saved[field] && edit.typed !== saved[field];
  });
}

/** The typed text counts, whatever the server has now. */
export function insisted(edits: Edits, saved: Fields, field: Field): Edits {
  const edit = edits[field];
  return edit ? { ...edits, [field]: { typed: edit.typed, over: saved[field] } } : edits;
}

export function dropped(edits: Edits, field: Field): Edits {
  return Object.fromEntries(Object.entries(edits).filter(([name]) => name !== field));
}

/** Without what was saved; what was typed on while it was being saved stays. */
export function kept(edits: Edits, sent: Partial<Fields>): Edits {
  const left = FIELDS.filter((field) => edits[field] && !(field in sent && edits[field].typed === sent[field]));
  return Object.fromEntries(left.map((field) => [field, edits[field]]));
}
