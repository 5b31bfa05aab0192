import { Badge, Button, Group, Stack, Text } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";

import { ErrorNote } from "@/components/ErrorNote";
import { JobProgress } from "@/components/JobProgress";
import { texts } from "@/texts";

import type { Form, FormState, Made } from "./forms";
import { ProofNote } from "./ProofNote";
import { useExport } from "./useExports";

interface Props {
  project: string;
  iteration: string;
  state: FormState;
  mayWrite: boolean;
}

/** A form: what it is for, and its file: asked for, on its way, ready with its proof, or why there is none. */
export function FormRow({ project, iteration, state, mayWrite }: Props): React.JSX.Element {
  const { form, made } = state;
  const start = useExport(project, iteration);
  return (
    <Stack gap={6}>
      <Group justify="space-between" align="start" gap="sm">
        <Stack gap={0} flex={1} miw={200}>
          <Group gap={6}>
            <Text fw={600}>{form.title}</Text>
            <div role="status">
              <State made={made} />
            </div>
          </Group>
          <Text size="sm" c="dimmed">
            {form.description}
          </Text>
        </Stack>
        <Action form={form} made={made} start={mayWrite ? start : null} />
      </Group>
      {start.error && <ErrorNote error={start.error} />}
      {made?.status === "Exporting" && (
        <JobProgress
          label={texts.exports.progressOf(form.title)}
          progress={made.progress ?? BEGINNING}
          stages={texts.training.exportStages}
        />
      )}
      {made?.status === "Failed" && made.progress?.error && !start.isPending && (
        <ErrorNote error={new Error(made.progress.error)} />
      )}
      {made?.status === "Done" && <ProofNote project={project} iteration={iteration} form={form} />}
    </Stack>
  );
}

const BEGINNING = { stage: "Queued", share: 0, place: null, waitsFor: null };

function State({ made }: { made: Made | null }): React.JSX.Element | null {
  if (made?.status === "Done") {
    return (
      <Badge color="teal" variant="light" tt="none">
        {texts.exports.ready}
      </Badge>
    );
  }
  if (made?.status === "Failed") {
    return (
      <Badge color="red" variant="light" tt="none">
        {texts.exports.failed}
      </Badge>
    );
  }
  return null;
}

interface ActionProps {
  form: Form;
  made: Made | null;
  /** Null where the key may not. */
  start: ReturnType<typeof useExport> | null;
}

function Action({ form, made, start }: ActionProps): React.JSX.Element | null {
  const said = texts.exports;
  if (made?.status === "Done" && made.downloadUri) {
    return (
      <Button
        component="a"
        href={made.downloadUri}
        download
        leftSection={<IconDownload size={16} aria-hidden />}
        aria-label={said.downloadOf(form.title)}
      >
        {said.download}
      </Button>
    );
  }
  if (!start || made?.status === "Exporting" || made?.status === "Done") return null;
  const again = made?.status === "Failed";
  return (
    <Button
      variant="default"
      loading={start.isPending}
      onClick={() => start.mutate(form)}
      aria-label={again ? said.retryOf(form.title) : said.exportOf(form.title)}
    >
      {again ? said.retry : said.export}
    </Button>
  );
}
