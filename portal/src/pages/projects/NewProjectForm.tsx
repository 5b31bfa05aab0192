import { Button, Group, Radio, Stack, TextInput, Textarea } from "@mantine/core";
import { useState } from "react";

import type { Schemas } from "@/api/client";
import { useDomains } from "@/api/shared";
import { DomainChoice } from "@/components/DomainChoice";
import { domainsOf } from "@/components/domains";
import { ErrorNote } from "@/components/ErrorNote";
import { forgetError, isSent } from "@/components/submits";
import { texts } from "@/texts";

import { useCreateProject } from "./useProjects";

const KINDS = ["Classification", "ObjectDetection"] as const satisfies readonly Schemas["DomainType"][];
const CLASSIFIERS = ["Multiclass", "Multilabel"] as const satisfies readonly Schemas["Classifier"][];
/** Whether one or several tags is a question for projects of a kind. */
const ASKS_HOW_MANY: Record<Schemas["DomainType"], boolean> = { Classification: true, ObjectDetection: false };

interface Props {
  done: (project: Schemas["Project"]) => void;
  cancel: () => void;
}

/** All that a new project needs: the choices that most people want are made already. */
export function NewProjectForm({ done, cancel }: Props): React.JSX.Element {
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  const [kind, setKind] = useState<Schemas["DomainType"]>("Classification");
  const [classifier, setClassifier] = useState<Schemas["Classifier"]>("Multiclass");
  const [chosen, setChosen] = useState<string | null>(null);
  const offered = domainsOf(useDomains().data ?? [], kind);
  const domain = offered.find(({ id }) => id === chosen) ?? offered[0];
  const create = useCreateProject();
  const said = texts.projects;
  const submit = (event: React.FormEvent): void => {
    event.preventDefault();
    if (!domain || isSent(create)) return;
    const classificationType = ASKS_HOW_MANY[kind] ? classifier : null;
    create.mutate({ name: name.trim(), description, domainId: domain.id, classificationType }, { onSuccess: done });
  };
  return (
    <form onSubmit={submit} onChange={() => forgetError(create)}>
      <Stack>
        <TextInput
          label={said.name}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          maxLength={128}
          required
          data-autofocus
        />
        <Textarea
          label={said.description}
          description={said.descriptionHint}
          value={description}
          onChange={(event) => setDescription(event.currentTarget.value)}
          autosize
        />
        <Radio.Group label={said.kind} value={kind} onChange={(value) => setKind(value as typeof kind)}>
          <Stack gap="xs" mt="xs">
            {KINDS.map((one) => (
              <Radio key={one} value={one} label={said.kinds[one].name} description={said.kinds[one].text} />
            ))}
          </Stack>
        </Radio.Group>
        {ASKS_HOW_MANY[kind] && (
          <Radio.Group
            label={said.classification}
            value={classifier}
            onChange={(value) => setClassifier(value as typeof classifier)}
          >
            <Stack gap="xs" mt="xs">
              {CLASSIFIERS.map((one) => (
                <Radio
                  key={one}
                  value={one}
                  label={said.classifications[one].name}
                  description={said.classifications[one].text}
                />
              ))}
            </Stack>
          </Radio.Group>
        )}
        <DomainChoice kind={kind} value={domain?.id ?? ""} onChange={setChosen} />
        {create.error && <ErrorNote error={create.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={cancel}>
            {texts.common.cancel}
          </Button>
          <Button type="submit" loading={create.isPending} disabled={name.trim() === "" || !domain}>
            {said.createButton}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
