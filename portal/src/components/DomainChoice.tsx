import { Badge, Radio, Stack } from "@mantine/core";

import type { Schemas } from "@/api/client";
import { useDomainChoices, useDomains } from "@/api/shared";
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
  const choices = useDomainChoices();
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
            label={<DomainName domain={domain} />}
            description={choices.data?.find(({ id }) => id === domain.id)?.choose}
          />
        ))}
      </Stack>
    </Radio.Group>
  );
}

/** The name of a domain, and whether its iterations can be exported. */
export function DomainName({ domain }: { domain: Schemas["Domain"] }): React.JSX.Element {
  const megabytes = domain.modelInformation?.estimatedModelSizeInMegabytes;
  return (
    <>
      {domain.name}{" "}
      {domain.exportable && (
        <Badge variant="light" color="gray" size="sm" tt="none" ml={4}>
          {megabytes ? texts.projects.exportableOf(megabytes) : texts.projects.exportable}
        </Badge>
      )}
    </>
  );
}
