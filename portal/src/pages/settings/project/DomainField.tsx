import { Alert, Button, Group, Input, Stack, Text } from "@mantine/core";
import { useState } from "react";

import type { Schemas } from "@/api/client";
import { useDomainChoices, useDomains } from "@/api/shared";
import { DomainChoice, DomainName } from "@/components/DomainChoice";
import { texts } from "@/texts";

interface Props {
  saved: string;
  chosen: string;
  kind: Schemas["DomainType"];
  onChange: (id: string) => void;
}

/** The domain of a project; the others are shown on request. */
export function DomainField({ saved, chosen, kind, onChange }: Props): React.JSX.Element {
  const domains = useDomains().data ?? [];
  const choices = useDomainChoices().data;
  const [isOpen, setOpen] = useState(false);
  const now = domains.find(({ id }) => id === chosen);
  if (!isOpen && chosen === saved && now) {
    return (
      <Stack gap={4}>
        <Input.Label component="div">{texts.projects.domain}</Input.Label>
        <Group justify="space-between" gap="sm" wrap="nowrap" align="start">
          <div>
            <Text size="sm" component="div">
              <DomainName domain={now} />
            </Text>
            <Text size="sm" c="dimmed">
              {choices?.find(({ id }) => id === chosen)?.choose}
            </Text>
          </div>
          <Button variant="default" size="xs" onClick={() => setOpen(true)} style={{ flexShrink: 0 }}>
            {texts.settings.changeDomain}
          </Button>
        </Group>
      </Stack>
    );
  }
  return (
    <>
      <DomainChoice kind={kind} value={chosen} onChange={onChange} />
      <DomainNote saved={saved} chosen={chosen} domains={domains} kind={kind} />
    </>
  );
}

interface DomainNoteProps {
  saved: string;
  chosen: string;
  domains: readonly Schemas["Domain"][];
  kind: Schemas["DomainType"];
}

/** What another domain means, and why no other kind is offered. */
function DomainNote({ saved, chosen, domains, kind }: DomainNoteProps): React.JSX.Element {
  const said = texts.settings;
  const [now, next] = [saved, chosen].map((wanted) => domains.find(({ id }) => id === wanted));
  if (!now || !next || now === next) {
    return (
      <Text size="sm" c="dimmed" mt="xs">
        {now && !now.enabled ? said.withdrawn(now.name) : said.kindStays(texts.projects.kinds[kind].short)}
      </Text>
    );
  }
  const losesExports = now.exportable && !next.exportable;
  return (
    <Alert color="blue" mt="xs" role="status">
      {said.domainMeans(next.name)} {losesExports && said.domainNotExported(next.name)}
      {!now.exportable && next.exportable && said.domainExported}
    </Alert>
  );
}
