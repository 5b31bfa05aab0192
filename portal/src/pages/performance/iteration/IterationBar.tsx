import { Button, Group, Select, Stack } from "@mantine/core";
import { useState } from "react";
import { Link, useNavigate } from "react-router";

import type { Schemas } from "@/api/client";
import { isTrained, useMay } from "@/api/shared";
import { announce } from "@/components/announce";
import { confirm } from "@/components/confirm";
import { ErrorNote } from "@/components/ErrorNote";
import { texts } from "@/texts";

import { RenameDialog } from "./RenameDialog";
import { useDeleteIteration } from "./useIterationChanges";

interface Props {
  project: string;
  iterations: readonly Schemas["Iteration"][];
  shown: Schemas["Iteration"];
}

/** Which iteration is shown, and what can be done with it. */
export function IterationBar({ project, iterations, shown }: Props): React.JSX.Element {
  const said = texts.performance;
  const may = useMay();
  const go = useNavigate();
  const [renaming, setRenaming] = useState(false);
  const home = `/projects/${project}/performance`;
  const remove = useDeleteIteration(project, shown.id, () => {
    announce(said.deleted(shown.name));
    void go(home, { replace: true });
  });
  const ask = (): void =>
    confirm({
      title: said.deleteTitle(shown.name),
      text: said.deleteText,
      confirmed: () => remove.mutate(),
    });
  const others = iterations.filter((one) => isTrained(one) && one.id !== shown.id);
  const isDeletable = !shown.publishName && shown.status !== "Training";
  return (
    <Stack gap="xs">
      <Group align="end" gap="sm">
        <Select
          label={said.iteration}
          data={iterations.map(({ id, name, publishName, status }) => ({
            value: id,
            label: said.iterationName(name, publishName, status),
          }))}
          value={shown.id}
          onChange={(id) => id && void go(`${home}/${id}`)}
          allowDeselect={false}
          style={{ flex: "1 1 220px" }}
          maw={420}
        />
        <Group gap="xs">
          {others.length > 0 && isTrained(shown) && (
            <Button component={Link} to={`/projects/${project}/compare?iteration=${shown.id}`} variant="default">
              {said.compare}
            </Button>
          )}
          {may.write && (
            <Button variant="default" onClick={() => setRenaming(true)}>
              {said.rename}
            </Button>
          )}
          {may.write && (
            <Button
              variant="default"
              ml="lg"
              onClick={ask}
              loading={remove.isPending}
              disabled={!isDeletable}
              title={shown.publishName ? said.unpublishFirst : undefined}
            >
              {texts.common.delete}
            </Button>
          )}
        </Group>
      </Group>
      {remove.error && <ErrorNote error={remove.error} />}
      {renaming && <RenameDialog project={project} iteration={shown} onClose={() => setRenaming(false)} />}
    </Stack>
  );
}
