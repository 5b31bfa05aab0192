import { Group, Progress, Stack, Text } from "@mantine/core";

import type { Schemas } from "@/api/client";
import { texts } from "@/texts";

const NEARLY = 0.9;

interface Props {
  label: string;
  shares: readonly (readonly [name: string, share: Schemas["Share"]])[];
  /** What has no limit and is no number of things, such as bytes. */
  others: readonly (readonly [name: string, value: string])[];
}

/** What is used, and of how much where there is a limit. */
export function UsageList({ label, shares, others }: Props): React.JSX.Element {
  const said = texts.settings.usage;
  return (
    <Stack component="ul" gap="xs" p={0} m={0} style={{ listStyle: "none" }} aria-label={label}>
      {shares.map(([name, { used, limit }]) => (
        <li key={name}>
          <Row name={name} value={limit === null ? texts.common.number(used) : said.of(used, limit)} />
          {limit !== null && <Bar label={name} share={used / Math.max(limit, 1)} />}
        </li>
      ))}
      {others.map(([name, value]) => (
        <li key={name}>
          <Row name={name} value={value} />
        </li>
      ))}
    </Stack>
  );
}

function Row({ name, value }: { name: string; value: string }): React.JSX.Element {
  return (
    <Group justify="space-between" gap="sm">
      <Text size="sm" c="dimmed">
        {name}
      </Text>
      <Text size="sm">{value}</Text>
    </Group>
  );
}

function Bar({ label, share }: { label: string; share: number }): React.JSX.Element {
  const percent = Math.min(100, share * 100);
  return <Progress value={percent} size="sm" mt={2} aria-label={label} color={share >= NEARLY ? "orange" : undefined} />;
}
