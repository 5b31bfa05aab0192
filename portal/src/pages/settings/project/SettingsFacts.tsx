import type { Schemas } from "@/api/client";
import { useDomains } from "@/api/shared";
import { Facts } from "@/components/Facts";
import { texts } from "@/texts";

/** The settings of a project for a key that may not change them. */
export function SettingsFacts({ project }: { project: Schemas["ProjectSummary"] }): React.JSX.Element {
  const { domainId, classificationType } = project.settings;
  const domain = useDomains().data?.find(({ id }) => id === domainId);
  const said = texts.projects;
  return (
    <Facts
      facts={[
        [said.name, project.name],
        [said.description, project.description || texts.settings.none],
        [said.kind, domain ? said.kinds[domain.type].name : ""],
        ...(classificationType ? [[said.classification, said.classifications[classificationType].name] as const] : []),
        [said.domain, domain?.name ?? ""],
      ]}
    />
  );
}
