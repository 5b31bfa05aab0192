import { Button, Group, NumberInput, Progress, Stack, Text } from "@mantine/core";
import { IconSparkles } from "@tabler/icons-react";
import { useState } from "react";

import { ErrorNote } from "@/components/ErrorNote";
import { forgetError } from "@/components/submits";
import { texts } from "@/texts";

import { useAsking } from "./useAsking";

interface Props {
  project: string;
  iterationId: string;
  /** Untagged photos without suggestions. */
  without: number;
  known: ReadonlySet<string>;
  /** Whether there are no suggestions yet. */
  isFirst: boolean;
}

const AT_FIRST = 64;

/** Asks an iteration about untagged photos, and shows how far it is. */
export function AskForm({ project, iterationId, without, known, isFirst }: Props): React.JSX.Element | null {
  const { ask, progress, stop } = useAsking(project);
  const [typed, setTyped] = useState<number | string | null>(null);
  const count = typed ?? Math.min(AT_FIRST, without);
  const isCount = typeof count === "number" && count >= 1;
  if (without === 0 && !ask.isPending && !ask.error) return null;
  return (
    <Stack gap="xs" align={isFirst ? "center" : "stretch"}>
      {!ask.isPending && (
        <Group gap="sm" align="end" justify={isFirst ? "center" : undefined}>
          <NumberInput
            label={texts.suggested.howMany}
            value={count}
            onChange={(value) => {
              setTyped(value);
              forgetError(ask);
            }}
            min={1}
            max={without}
            allowDecimal={false}
            w={150}
          />
          <Button
            variant={isFirst ? "filled" : "light"}
            leftSection={<IconSparkles size={16} aria-hidden />}
            disabled={!isCount}
            onClick={() =>
              isCount && ask.mutate({ iterationId, count, known }, { onSuccess: () => setTyped(null) })
            }
          >
            {texts.suggested.get}
          </Button>
        </Group>
      )}
      {ask.isPending && (
        <Group gap="sm" wrap="nowrap" w="100%" maw={480}>
          <Stack gap={4} flex={1}>
            <Text size="sm" role="status">
              {progress ? texts.suggested.getting(progress.done, progress.of) : texts.suggested.looking}
            </Text>
            <Progress
              value={progress ? (progress.done / Math.max(1, progress.of)) * 100 : 0}
              aria-label={texts.suggested.get}
              animated
            />
          </Stack>
          <Button variant="default" onClick={stop}>
            {texts.suggested.stop}
          </Button>
        </Group>
      )}
      {ask.error && <ErrorNote error={ask.error} />}
    </Stack>
  );
}
