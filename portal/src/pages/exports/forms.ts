/** The forms in which an iteration can be exported, and what has been made of them. */
import type { Schemas } from "@/api/client";
import { texts } from "@/texts";

export type Form = Schemas["ExportForm"];

/** An export that was asked for. */
export interface Made {
  platform: string;
  flavor: string | null;
  status: Schemas["ExportStatus"];
  downloadUri: string | null;
  progress: Schemas["ExportProgress"] | null;
}

/** Exports with their progress, which has the reason of a failure too. */
export function joined(
  exports: readonly Schemas["Export"][],
  progress: readonly Schemas["ExportProgress"][],
): Made[] {
  return exports.map(({ platform, flavor, status, downloadUri }) => ({
    platform,
    flavor,
    status,
    downloadUri,
    progress: progress.find((one) => one.platform === platform && one.flavor === flavor) ?? null,
  }));
}

export interface FormState {
  form: Form;
  made: Made | null;
}

/** Forms by platform, in the server's order, each with its export; exports of other names come last. */
export function groupsOf(forms: readonly Form[], made: readonly Made[]): [string, FormState[]][] {
  const groups = new Map<string, FormState[]>();
  const add = (state: FormState): void => {
    const { platform } = state.form;
    groups.set(platform, [...(groups.get(platform) ?? []), state]);
  };
  for (const form of forms) add({ form, made: made.find((one) => isOf(one, form)) ?? null });
  for (const one of made) {
    if (!forms.some((form) => isOf(one, form))) add({ form: unnamed(one), made: one });
  }
  return [...groups];
}

function isOf(made: Made, form: Form): boolean {
  return made.platform === form.platform && made.flavor === form.flavor;
}

function unnamed({ platform, flavor }: Made): Form {
  return {
    platform,
    flavor,
    title: texts.exports.form(platform, flavor),
    description: texts.exports.unnamedForm,
  };
}
