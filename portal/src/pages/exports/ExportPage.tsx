import { Button, Loader, Paper, Select, Stack, Text, Title } from "@mantine/core";
import { Link, useNavigate, useParams } from "react-router";

import type { Schemas } from "@/api/client";
import { isTrained, useIterations, useMay, useProject } from "@/api/shared";
import { EmptyNote } from "@/components/EmptyNote";
import { ErrorNote } from "@/components/ErrorNote";
import { useProjectId } from "@/components/useProjectId";
import { texts } from "@/texts";

import styles from "./exports.module.css";
import { FormRow } from "./FormRow";
import { groupsOf } from "./forms";
import { useDomainForms, useExports } from "./useExports";

/** Take a trained iteration elsewhere: choose a form, have it made and proven, and download it. */
export default function ExportPage(): React.JSX.Element {
  const said = texts.exports;
  const project = useProjectId();
  const { iterationId } = useParams();
  const go = useNavigate();
  const iterations = useIterations(project);
  const domains = useDomainForms();
  const failed = [iterations, domains].find((query) => query.error && !query.data);
  if (failed) return <ErrorNote error={failed.error} retry={() => void failed.refetch()} />;
  if (!iterations.data || !domains.data) return <Loader aria-label={texts.common.loading} />;
  const trained = iterations.data.filter(isTrained);
  const shown =
    trained.find((one) => one.id === iterationId) ?? trained.find((one) => one.exportable) ?? trained[0];
  if (!shown) {
    return (
      <EmptyNote title={said.untrained} text={said.untrainedText}>
        <Button component={Link} to={`/projects/${project}/train`}>
          {said.train}
        </Button>
      </EmptyNote>
    );
  }
  const domain = domains.data.find((one) => one.id === shown.domainId);
  return (
    <Stack>
      <Text size="sm" c="dimmed" maw={860}>
        {said.intro}
      </Text>
      <Select
        label={said.iteration}
        data={trained.map((one) => ({
          value: one.id,
          label: texts.quickTest.iterationName(one.name, one.publishName),
        }))}
        value={shown.id}
        onChange={(id) => id && void go(`/projects/${project}/export/${id}`)}
        allowDeselect={false}
        maw={420}
      />
      {domain && domain.exports.length > 0 ? (
        <Forms key={shown.id} project={project} iteration={shown.id} domain={domain} />
      ) : (
        <ServedOnly project={project} domains={domains.data} domain={domain} />
      )}
    </Stack>
  );
}

type Domain = Schemas["DomainChoice"];

interface FormsProps {
  project: string;
  iteration: string;
  domain: Domain;
}

function Forms({ project, iteration, domain }: FormsProps): React.JSX.Element {
  const said = texts.exports;
  const may = useMay();
  const made = useExports(project, iteration);
  if (made.error && !made.data) return <ErrorNote error={made.error} retry={() => void made.refetch()} />;
  if (!made.data) return <Loader aria-label={texts.common.loading} />;
  return (
    <>
      {!may.write && <Text size="sm">{said.readOnly}</Text>}
      <div className={styles["groups"]}>
        {groupsOf(domain.exports, made.data).map(([platform, states]) => {
          const title = said.platforms[platform] ?? platform;
          return (
            <Paper
              key={platform}
              className={styles["group"]}
              withBorder
              px="md"
              pt="md"
              pb={4}
              component="section"
              aria-label={title}
            >
              <Title order={2} size="h4">
                {title}
              </Title>
              <ul className={styles["forms"]}>
                {states.map((state) => (
                  <li key={state.form.flavor ?? ""} className={styles["form"]}>
                    <FormRow project={project} iteration={iteration} state={state} mayWrite={may.write} />
                  </li>
                ))}
              </ul>
            </Paper>
          );
        })}
      </div>
    </>
  );
}

interface ServedProps {
  project: string;
  domains: readonly Domain[];
  /** Of the iteration. */
  domain: Domain | undefined;
}

/** Why an iteration is not exported, and how to get one that is. */
function ServedOnly({ project, domains, domain }: ServedProps): React.JSX.Element {
  const said = texts.exports;
  const now = useProject(project).data?.settings.domainId;
  const isCompactNow = domains.some((one) => one.id === now && one.exportable);
  const name = domain?.name ?? "";
  return (
    <EmptyNote title={said.served(name)} text={isCompactNow ? said.servedBefore(name) : said.servedText}>
      <Button component={Link} to={`/projects/${project}/${isCompactNow ? "train" : "settings"}`}>
        {isCompactNow ? said.train : said.settings}
      </Button>
    </EmptyNote>
  );
}
