import { Box, Group, Loader, ScrollArea, Tabs, Text } from "@mantine/core";
import { useEffect, useRef } from "react";
import { Outlet, useLocation, useNavigate } from "react-router";

import { ApiError } from "@/api/errors";
import { useProject } from "@/api/shared";
import { ErrorNote } from "@/components/ErrorNote";
import { useProjectId } from "@/components/useProjectId";
import { texts } from "@/texts";

import styles from "./Layout.module.css";
import { PROJECT_PAGE } from "./content";

const PAGES = [
  ["images", texts.images.title],
  ["suggested", texts.suggested.title],
  ["train", texts.training.title],
  ["performance", texts.performance.title],
  ["test", texts.quickTest.title],
  ["publish", texts.publish.title],
  ["predictions", texts.predictions.title],
  ["export", texts.exports.title],
  ["settings", texts.settings.title],
] as const;

/** The name of a project and its pages. */
export function ProjectLayout(): React.JSX.Element {
  const id = useProjectId();
  const project = useProject(id);
  const place = useLocation();
  const go = useNavigate();
  const shown = place.pathname.split("/")[3] ?? null;
  const tab = shown === "compare" ? "performance" : shown;
  const tabs = useRef<HTMLDivElement>(null);
  // On a phone the tabs are wider than the page.
  useEffect(() => {
    tabs.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ inline: "center", block: "nearest" });
  }, [tab]);
  // A page stays, with all that was typed into it, while the server does not answer.
  const isGone = project.error instanceof ApiError && project.error.status === 404;
  const isMissing = project.error !== null && (isGone || project.data === undefined);
  return (
    <>
      <Group px="md" pt="xs" wrap="nowrap">
        <Text fw={600} size="lg" truncate component="h1">
          {project.data?.name ?? <Loader size="xs" aria-label={texts.common.loading} />}
        </Text>
      </Group>
      <Tabs
        value={tab}
        onChange={(page) => page && go(`/projects/${id}/${page}`)}
        activateTabWithKeyboard={false}
      >
        <ScrollArea type="never">
          <Tabs.List ref={tabs} px="md" aria-label={texts.common.navigation} style={{ flexWrap: "nowrap", minWidth: "max-content" }}>
            {PAGES.map(([page, title]) => (
              <Tabs.Tab key={page} value={page} aria-controls={PROJECT_PAGE}>
                {title}
              </Tabs.Tab>
            ))}
          </Tabs.List>
        </ScrollArea>
      </Tabs>
      <Box id={PROJECT_PAGE} p="md" tabIndex={-1} className={styles["content"]}>
        {isMissing ? <ErrorNote error={project.error} retry={() => void project.refetch()} /> : <Outlet />}
      </Box>
    </>
  );
}
