import { Alert, Button, CloseButton, Group, Paper, Progress, Text } from "@mantine/core";
import { useState } from "react";

import { texts } from "@/texts";

import { forget, interrupted } from "./interrupted";
import type { UploadQueue } from "./queue";
import { RefusedList } from "./RefusedList";
import { outcomeOf } from "./outcome";

interface Props {
  project: string;
  queue: UploadQueue;
}

/** How far an upload is; what became of each photo at its end. */
export function UploadProgress({ project, queue }: Props): React.JSX.Element | null {
  const [isOpen, setOpen] = useState(true);
  const [before, setBefore] = useState(() => interrupted(project));
  const { items, phase } = queue;
  if (items.length === 0) {
    if (!before) return null;
    const close = (): void => {
      forget(project);
      setBefore(null);
    };
    return (
      <Alert color="orange" p="xs" withCloseButton closeButtonLabel={texts.upload.close} onClose={close}>
        {texts.upload.interrupted(before.done, before.total)}
      </Alert>
    );
  }
  const isDone = phase === "idle";
  const open = queue.counted("waiting") + queue.counted("sending");
  const { bytes, bytesDone } = queue;
  const rate = phase === "running" ? queue.rate.value : null;
  const { told, mentioned } = outcomeOf(queue);
  const mayRetry = isDone && queue.counted("failed") + queue.counted("cancelled") > 0;
  return (
    <Paper withBorder p="xs" component="section" aria-label={texts.upload.title}>
      <Group justify="space-between" align="start" gap="xs">
        <div style={{ flex: "1 1 200px" }}>
          {!isDone && (
            <Text size="sm" fw={600}>
              {texts.upload.running(items.length - open, items.length)}
              {rate !== null && ` · ${texts.upload.rate(rate)}`}
              {rate !== null && rate > 0 && ` · ${texts.upload.timeLeft((bytes - bytesDone) / rate)}`}
            </Text>
          )}
          {!isDone && told && <Text size="sm">{told}</Text>}
          <div role="status">
            {phase === "lost" && <Text size="sm">{texts.upload.lost}</Text>}
            {phase === "paused" && <Text size="sm">{texts.upload.paused}</Text>}
            {isDone && (
              <Text size="sm" fw={600}>
                {texts.upload.done} {told}
              </Text>
            )}
          </div>
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
