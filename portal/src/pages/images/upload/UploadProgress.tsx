import { Button, CloseButton, Group, Paper, Progress, Text } from "@mantine/core";
import { useState } from "react";

import { texts } from "@/texts";

import type { UploadQueue } from "./queue";
import { RefusedList } from "./RefusedList";

const TOLD = [
  ["added", texts.upload.added],
  ["duplicate", texts.upload.duplicates],
  ["refused", texts.upload.refused],
  ["failed", texts.upload.failed],
  ["cancelled", texts.upload.cancelled],
] as const;

/** How far an upload is; what became of each photo at its end. */
export function UploadProgress({ queue }: { queue: UploadQueue }): React.JSX.Element | null {
  const [isOpen, setOpen] = useState(true);
  const { items, phase } = queue;
  if (items.length === 0) return null;
  const isDone = phase === "idle";
  const open = queue.counted("waiting") + queue.counted("sending");
  const { bytes, bytesDone } = queue;
  const rate = phase === "running" ? queue.rate.value : null;
  const shrunk = items.filter((item) => item.wasShrunk && item.state === "added").length;
  const told = TOLD.map(([state, say]) => [queue.counted(state), say] as const).filter(([count]) => count > 0);
  const mentioned = items
    .filter((item) => item.state === "refused" || item.state === "failed" || item.state === "duplicate")
    .map(({ entry, reason, state }) => ({
      name: [...entry.folders, entry.name].join("/"),
      reason: state === "duplicate" ? texts.upload.isDuplicate : reason,
    }));
  const mayRetry = isDone && queue.counted("failed") + queue.counted("cancelled") > 0;
  return (
    <Paper withBorder p="xs" component="section" aria-label={texts.upload.title}>
      <Group justify="space-between" wrap="nowrap" align="start">
        <div role="status">
          {!isDone && (
            <Text size="sm" fw={600}>
              {texts.upload.running(items.length - open, items.length)}
              {rate !== null && ` · ${texts.upload.rate(rate)}`}
              {rate !== null && rate > 0 && ` · ${texts.upload.timeLeft((bytes - bytesDone) / rate)}`}
            </Text>
          )}
          {phase === "lost" && (
            <Text size="sm" c="orange.9">
              {texts.upload.lost}
            </Text>
          )}
          {phase === "paused" && <Text size="sm">{texts.upload.paused}</Text>}
          <Text size="sm">
            {told.map(([count, say]) => say(count)).join(" ")}
            {shrunk > 0 && ` ${texts.upload.shrunk(shrunk)}`}
          </Text>
        </div>
        <Group gap={6} wrap="nowrap">
          {phase === "paused" && (
            <Button size="compact-sm" variant="light" onClick={() => queue.resume()}>
              {texts.upload.resume}
            </Button>
          )}
          {phase === "running" && (
            <Button size="compact-sm" variant="light" onClick={() => queue.pause()}>
              {texts.upload.pause}
            </Button>
          )}
          {!isDone && (
            <Button size="compact-sm" variant="subtle" color="red" onClick={() => queue.cancel()}>
              {texts.upload.cancel}
            </Button>
          )}
          {mayRetry && (
            <Button size="compact-sm" variant="light" onClick={() => queue.retry()}>
              {texts.upload.retry}
            </Button>
          )}
          {mentioned.length > 0 && (
            <Button size="compact-sm" variant="subtle" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
              {texts.upload.details}
            </Button>
          )}
          {isDone && <CloseButton aria-label={texts.upload.close} onClick={() => queue.clear()} />}
        </Group>
      </Group>
      {!isDone && (
        <Progress
          value={bytes > 0 ? (bytesDone / bytes) * 100 : 0}
          mt={6}
          aria-label={texts.upload.title}
          animated={phase === "running"}
        />
      )}
      {isOpen && mentioned.length > 0 && <RefusedList refused={mentioned} />}
    </Paper>
  );
}
