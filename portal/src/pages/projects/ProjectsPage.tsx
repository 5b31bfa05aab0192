import { Button, CloseButton, Group, Loader, Modal, SimpleGrid, Stack, Text, TextInput, Title } from "@mantine/core";
import { IconPlus, IconSearch } from "@tabler/icons-react";
import { useDeferredValue, useState } from "react";
import { useNavigate } from "react-router";

import { useMay } from "@/api/shared";
import { announce } from "@/components/announce";
import { ErrorNote } from "@/components/ErrorNote";
import { texts } from "@/texts";

import { CopyProjectForm } from "./CopyProjectForm";
import { DeleteProjectForm } from "./DeleteProjectForm";
import { FirstVisit } from "./FirstVisit";
import { NewProjectForm } from "./NewProjectForm";
import { ProjectCard } from "./ProjectCard";
import { SampleProjectOffer } from "./SampleOffer";
import { chosenProjects } from "./search";
import { type Project, useProjects } from "./useProjects";

const CARDS = 60;

type Dialog = { what: "create" } | { what: "copy" | "delete"; project: Project } | null;

export default function ProjectsPage(): React.JSX.Element {
  const { projects, more, error, retry } = useProjects();
  const [dialog, setDialog] = useState<Dialog>(null);
  const may = useMay();
  if (!projects) {
    return <Stack p="md">{error ? <ErrorNote error={error} retry={retry} /> : <Waiting />}</Stack>;
  }
  const create = may.create ? () => setDialog({ what: "create" }) : undefined;
  return (
    <>
      {projects.length === 0 ? (
        <FirstVisit>
          {create ? (
            <>
              <NewButton open={create} />
              <SampleProjectOffer />
            </>
          ) : (
            <Text ta="center">{texts.projects.firstReadOnly}</Text>
          )}
        </FirstVisit>
      ) : (
        <Stack p="md">
          {error && <ErrorNote error={error} retry={retry} />}
          <Cards projects={projects} more={more} open={setDialog} create={create} />
        </Stack>
      )}
      <Dialogs dialog={dialog} close={() => setDialog(null)} />
    </>
  );
}

interface CardsProps {
  projects: Project[];
  more: boolean;
  open: (dialog: Dialog) => void;
  create?: () => void;
}

function Cards({ projects, more, open, create }: CardsProps): React.JSX.Element {
  const [search, setSearch] = useState("");
  const [limit, setLimit] = useState(CARDS);
  const may = useMay();
  const found = chosenProjects(projects, useDeferredValue(search));
  const said = texts.projects;
  return (
    <>
      <Group justify="space-between">
        <Title order={1} size="h2">
          {said.title}
        </Title>
        {create && <NewButton open={create} />}
      </Group>
      <Group>
        <TextInput
          type="search"
          aria-label={said.searchLabel}
          placeholder={said.searchHint}
          leftSection={<IconSearch size={16} aria-hidden />}
          rightSection={search && <CloseButton aria-label={said.clearSearch} onClick={() => setSearch("")} />}
          value={search}
          onChange={(event) => setSearch(event.currentTarget.value)}
          flex={1}
          maw={420}
        />
        <Text size="sm" c="dimmed" role="status">
          {search !== "" && (found.length > 0 ? said.found(found.length, projects.length) : said.noneFound)}
        </Text>
        {more && <Loader size="xs" aria-label={said.loadingMore} />}
      </Group>
      <SimpleGrid cols={{ base: 1, xs: 2, sm: 3, md: 4, xl: 5 }}>
        {found.slice(0, limit).map((project) => (
          <ProjectCard
            key={project.id}
            project={project}
            copy={may.create ? () => open({ what: "copy", project }) : undefined}
            remove={may.write ? () => open({ what: "delete", project }) : undefined}
          />
        ))}
      </SimpleGrid>
      {found.length > limit && (
        <Button variant="default" onClick={() => setLimit(limit + CARDS)} style={{ alignSelf: "center" }}>
          {said.more}
        </Button>
      )}
    </>
  );
}

function Dialogs({ dialog, close }: { dialog: Dialog; close: () => void }): React.JSX.Element {
  const go = useNavigate();
  const said = texts.projects;
  const made = (project: { id: string; name: string }): void => {
    announce(said.created(project.name));
    void go(`/projects/${project.id}`);
  };
  const is = (what: string): boolean => dialog?.what === what;
  const project = dialog && dialog.what !== "create" ? dialog.project : null;
  return (
    <>
      <Modal opened={is("create")} onClose={close} title={said.createTitle} size="lg">
        <NewProjectForm done={made} cancel={close} />
      </Modal>
      <Modal opened={is("copy")} onClose={close} title={said.copyTitle(project?.name ?? "")}>
        {project && <CopyProjectForm project={project} done={close} />}
      </Modal>
      <Modal opened={is("delete")} onClose={close} title={said.deleteTitle(project?.name ?? "")}>
        {project && <DeleteProjectForm project={project} done={close} cancel={close} />}
      </Modal>
    </>
  );
}

function NewButton({ open }: { open: () => void }): React.JSX.Element {
  return (
    <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={open}>
      {texts.projects.create}
    </Button>
  );
}

function Waiting(): React.JSX.Element {
  return <Loader aria-label={texts.common.loading} style={{ alignSelf: "center" }} />;
}
