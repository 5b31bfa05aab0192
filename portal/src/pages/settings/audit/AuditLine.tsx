import { Anchor, Text } from "@mantine/core";
import { Link } from "react-router";

import type { Schemas } from "@/api/client";
import { useProjects } from "@/pages/projects/useProjects";
import { texts } from "@/texts";

import { useApiKeys } from "../keys/useApiKeys";
import styles from "./AuditLine.module.css";

/** One change: when, what, of which project, and whose key made it. */
export function AuditLine({ line }: { line: Schemas["AuditLine"] }): React.JSX.Element {
  const { projects = [] } = useProjects();
  const { found: known = [] } = useApiKeys();
  const said = texts.server.audit;
  const project = projects.find(({ id }) => id === line.projectId);
  const nameOf = (value: unknown): string => {
    const named = [...projects, ...known].find(({ id }) => id === value);
    return named ? named.name : said.value(value);
  };
  const details = Object.entries(line.details).filter(([, value]) => value !== null);
  return (
    <li className={styles["line"]}>
      <time dateTime={line.created} title={said.request(line.requestId)}>
        {texts.common.date(line.created)}
      </time>
      <div>
        <Text span size="sm" fw={500}>
          {said.name(line.action)}
        </Text>{" "}
        {project ? (
          <Anchor component={Link} to={`/projects/${project.id}`} size="sm" underline="always">
            {project.name}
          </Anchor>
        ) : (
          line.projectId && texts.server.keys.unknownProject(line.projectId)
        )}
        {details.length > 0 && (
          <Text size="xs" c="dimmed">
            {details.map(([name, value]) => `${said.name(name)}: ${nameOf(value)}`).join(" · ")}
          </Text>
        )}
      </div>
      <div title={line.keyId ? undefined : said.operatorHint}>{line.keyName ?? line.keyId ?? said.operator}</div>
    </li>
  );
}
