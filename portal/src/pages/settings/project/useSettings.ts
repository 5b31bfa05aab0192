/** The settings of a project as they are typed and saved. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { OWN, PROJECT, type Schemas, api, dataOf } from "@/api/client";
import { keys } from "@/api/keys";
import { useDomains } from "@/api/shared";
import { forgetError } from "@/components/submits";

import { type Edits, type Field, type Fields, changes, conflicts, dropped, edited, fieldsOf, insisted, kept, shown } from "./edits";

type Summary = Schemas["ProjectSummary"];

export interface Settings {
  fields: Fields;
  /** What the server has. */
  saved: Fields;
  isChanged: boolean;
  conflicts: Field[];
  type: <F extends Field>(field: F, value: Fields[F]) => void;
  insist: (field: Field) => void;
  drop: (field: Field) => void;
  discard: () => void;
  save: (done: () => void) => void;
  isSaving: boolean;
  error: Error | null;
}

export function useSettings(project: Summary): Settings {
  const [edits, setEdits] = useState<Edits>({});
  const saved = fieldsOf(project);
  const save = useSave(project.id);
  const found = conflicts(edits, saved);
  const change = (how: (now: Edits) => Edits): void => {
    setEdits(how);
    forgetError(save);
  };
  return {
    fields: shown(edits, saved),
    saved,
    isChanged: Object.keys(changes(edits, saved)).length > 0,
    conflicts: found,
    type: (field, value) => change((now) => edited(now, saved, field, value)),
    insist: (field) => change((now) => insisted(now, saved, field)),
    drop: (field) => change((now) => dropped(now, field)),
    discard: () => change(() => ({})),
    save: (done) => {
      if (save.isPending) return;
      save.mutate(edits, {
        onSuccess: (sent) => {
          if (!sent) return;
          setEdits((now) => kept(now, sent));
          done();
        },
      });
    },
    isSaving: save.isPending,
    error: save.error,
  };
}

/** Saves what was typed; nothing, and gives null, if somebody else changed the same fields meanwhile. */
function useSave(id: string) {
  const client = useQueryClient();
  const domains = useDomains().data ?? [];
  const path = { project_id: id };
  return useMutation({
    mutationFn: async (edits: Edits): Promise<Partial<Fields> | null> => {
      const now = await dataOf(api.GET(`${OWN}/projects/{project_id}`, { params: { path } }));
      client.setQueryData(keys.summary(id), now);
      if (conflicts(edits, fieldsOf(now)).length > 0) return null;
      const sent = changes(edits, fieldsOf(now));
      const platforms = platformsWith(now, domains, sent.domainId);
      const answer = await dataOf(api.PATCH(PROJECT, { params: { path }, body: bodyOf(sent, platforms) }));
      client.setQueryData<Summary>(keys.summary(id), { ...now, ...answer });
      return sent;
    },
    onSuccess: (sent) => sent && client.invalidateQueries({ queryKey: keys.projects }),
  });
}

function bodyOf({ name, description, ...settings }: Partial<Fields>, targetExportPlatforms?: string[]) {
  const hasSettings = Object.keys(settings).length > 0;
  return { name, description, ...(hasSettings && { settings: { ...settings, targetExportPlatforms } }) };
}

/** The server refuses a domain that cannot be exported to each platform that the project names. */
function platformsWith(now: Summary, domains: readonly Schemas["Domain"][], domainId?: string): string[] | undefined {
  const domain = domains.find(({ id }) => id === domainId);
  return domain && now.settings.targetExportPlatforms.filter((one) => domain.exportablePlatforms.includes(one));
}
