import { Button, Group, List, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";

import { announce } from "@/components/announce";
import { ErrorNote } from "@/components/ErrorNote";
import { forgetError, isSent } from "@/components/submits";
import { texts } from "@/texts";

import { type Project, useDeleteProject } from "./useProjects";

interface Props {
  project: Project;
  done: () => void;
  cancel: () => void;
}

/** Says what would be lost with a project, and asks to type its name. */
export function DeleteProjectForm({ project, done, cancel }: Props): React.JSX.Element {
  const [typed, setTyped] = useState("");
  const remove = useDeleteProject();
  const said = texts.projects;
  const submit = (event: React.FormEvent): void => {
    event.preventDefault();
    if (isSent(remove)) return;
    const gone = (): void => {
      announce(said.deleted(project.name));
      done();
    };
    remove.mutate(project, { onSuccess: gone });
  };
  return (
    <form onSubmit={submit} onChange={() => forgetError(remove)}>
      <Stack>
        <Text size="sm">{said.deleteText}</Text>
        <List size="sm">
          {lossesOf(project).map((loss) => (
            <List.Item key={loss}>{loss}</List.Item>
          ))}
        </List>
        <TextInput
          label={said.deleteConfirm(project.name)}
          value={typed}
          onChange={(event) => setTyped(event.currentTarget.value)}
          autoComplete="off"
          data-autofocus
        />
        {remove.error && <ErrorNote error={remove.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={cancel}>
            {texts.common.cancel}
          </Button>
          <Button
            type="submit"
            color="red"
            loading={remove.isPending}
            disabled={typed.trim() !== project.name.trim()}
          >
            {said.deleteButton}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function lossesOf(project: Project): string[] {
  const said = texts.projects;
  const losses = [
    said.deletePhotos(project.imageCount),
    said.deleteTags(project.tagCount),
    ...(project.regionCount > 0 ? [said.deleteRegions(project.regionCount)] : []),
    said.deleteIterations(project.iterationCount),
  ];
  if (project.published.length > 0) {
    losses.push(said.deletePublished(project.published.map(({ publishName }) => publishName).join(", ")));
  }
  if (project.isTraining) losses.push(said.deleteTraining);
  return losses;
}
