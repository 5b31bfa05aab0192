import { Radio, Stack, Text } from "@mantine/core";

import type { Schemas } from "@/api/client";
import { useDomains } from "@/api/shared";
import { texts } from "@/texts";

import { domainsOf } from "./domains";
import { ErrorNote } from "./ErrorNote";

interface Props {
  kind: Schemas["DomainType"];
  value: string;
  onChange: (id: string) => void;
}

/** The domains of a kind, each with a sentence on when to choose it. */
export function DomainChoice({ kind, value, onChange }: Props): React.JSX.Element {
  const domains = useDomains();
  if (domains.error) return <ErrorNote error={domains.error} retry={() => void domains.refetch()} />;
  return (
    <Radio.Group
      label={texts.projects.domain}
      description={texts.projects.domainHint}
      value={value}
      onChange={onChange}
    >
      <Stack gap="xs" mt="xs">
        {domainsOf(domains.data ?? [], kind).map((domain) => (
          <Radio
            key={domain.id}
            value={domain.id}
            label={domain.name}
            description={<Text span inherit>{describe(domain)}</Text>}
          />
        ))}
      </Stack>
    </Radio.Group>
  );
}

function describe(domain: Schemas["Domain"]): string {
  const megabytes = domain.modelInformation?.estimatedModelSizeInMegabytes;
  const runs = domain.exportable ? texts.projects.compactOnly : texts.projects.servedOnly;
  return [texts.domains[domain.id], runs, megabytes && texts.projects.megabytes(megabytes)].filter(Boolean).join(" ");
}
