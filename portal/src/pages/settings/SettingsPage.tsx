import { Anchor, Button, Group, Loader, Modal, SimpleGrid, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { Link, useNavigate } from "react-router";

import type { Schemas } from "@/api/client";
import { useDomains, useMay, useProject } from "@/api/shared";
import { CopyableLine } from "@/components/Copyable";
import { ErrorNote } from "@/components/ErrorNote";
import { Section } from "@/components/Section";
import { useProjectId } from "@/components/useProjectId";
import { DeleteProjectForm } from "@/pages/projects/DeleteProjectForm";
import { texts } from "@/texts";

import { KeysPanel } from "./keys/KeysPanel";
import { ProjectUsage } from "./project/ProjectUsage";
import { SettingsFacts } from "./project/SettingsFacts";
import { SettingsForm } from "./project/SettingsForm";

/** What a project is called and how it is trained, its addresses, its keys, and its end. */
export default function SettingsPage(): React.JSX.Element {
  const id = useProjectId();
  const project = useProject(id);
  const may = useMay();
  const said = texts.settings;
  if (!project.data) {
    if (project.error) return <ErrorNote error={project.error} retry={() => void project.refetch()} />;
    return <Loader aria-label={texts.common.loading} />;
  }
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }} style={{ alignItems: "start" }}>
      <Stack>
        <Section title={said.project}>
          {may.write ? <SettingsForm key={id} project={project.data} /> : <SettingsFacts project={project.data} />}
        </Section>
        <Section title={said.exports}>
          <ExportNote project={project.data} />
        </Section>
        {may.write && (
          <Section title={said.deletion} text={said.deletionText}>
            <Deletion project={project.data} />
          </Section>
        )}
      </Stack>
      <Stack>
        <Section title={said.usage.title} text={said.usage.text}>
          <ProjectUsage projectId={id} />
        </Section>
        <Section title={said.addresses} text={said.addressesText}>
          <CopyableLine label={said.projectId} text={id} />
          <CopyableLine label={said.endpoint} text={window.location.origin} />
        </Section>
        {may.administer && (
          <Section title={texts.server.keys.title} text={said.keysText}>
            <KeysPanel projectId={id} />
            <Group gap="md">
              <Anchor component={Link} to="/server?show=keys" size="sm">
                {texts.server.keys.all}
              </Anchor>
              <Anchor component={Link} to={`/server?show=audit&projectId=${id}`} size="sm">
                {texts.server.audit.ofProject}
              </Anchor>
            </Group>
          </Section>
        )}
      </Stack>
    </SimpleGrid>
  );
}

function ExportNote({ project }: { project: Schemas["ProjectSummary"] }): React.JSX.Element {
  const domain = useDomains().data?.find(({ id }) => id === project.settings.domainId);
  const said = texts.settings;
  if (!domain) return <Loader size="xs" aria-label={texts.common.loading} />;
  if (!domain.exportable) return <Text size="sm">{said.exportsNone(domain.name)}</Text>;
  return (
    <Text size="sm">
      {said.exportsTo(domain.name, domain.exportablePlatforms)}{" "}
      <Anchor component={Link} to={`/projects/${project.id}/export`} size="sm" underline="always">
        {said.toExports}
      </Anchor>
    </Text>
  );
}

function Deletion({ project }: { project: Schemas["ProjectSummary"] }): React.JSX.Element {
  const [opened, setOpened] = useState(false);
  const go = useNavigate();
  const said = texts.projects;
  return (
    <>
      <Button color="red" variant="outline" onClick={() => setOpened(true)} style={{ alignSelf: "start" }}>
        {said.deleteButton}
      </Button>
      <Modal opened={opened} onClose={() => setOpened(false)} title={said.deleteTitle(project.name)}>
        <DeleteProjectForm project={project} done={() => void go("/")} cancel={() => setOpened(false)} />
      </Modal>
    </>
  );
}
