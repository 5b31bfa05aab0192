import { Alert, Button, Group, Radio, Stack, Text, TextInput, Textarea } from "@mantine/core";

import type { Schemas } from "@/api/client";
import { useDomains } from "@/api/shared";
import { announce } from "@/components/announce";
import { ErrorNote } from "@/components/ErrorNote";
import { useUnsaved } from "@/components/useUnsaved";
import { texts } from "@/texts";

import { Conflict } from "./Conflict";
import { DomainField } from "./DomainField";
import { type Field, type Fields, fieldsOf } from "./edits";
import { type Settings, useSettings } from "./useSettings";

const CLASSIFIERS = ["Multiclass", "Multilabel"] as const satisfies readonly Schemas["Classifier"][];

/** The settings of a project that can be changed. */
export function SettingsForm({ project }: { project: Schemas["ProjectSummary"] }): React.JSX.Element {
  const settings = useSettings(project);
  const domains = useDomains().data ?? [];
  const kind = domains.find(({ id }) => id === fieldsOf(project).domainId)?.type;
  const said = texts.settings;
  const { fields, type } = settings;
  useUnsaved(settings.isChanged);
  const submit = (event: React.FormEvent): void => {
    event.preventDefault();
    settings.save(() => announce(said.saved));
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        <div>
          <TextInput
            label={texts.projects.name}
            value={fields.name}
            onChange={(event) => type("name", event.currentTarget.value)}
            error={fields.name.trim() === "" && said.nameMissing}
            maxLength={128}
            required
          />
          <Asked field="name" settings={settings} domains={domains} />
        </div>
        <div>
          <Textarea
            label={texts.projects.description}
            description={texts.projects.descriptionHint}
            value={fields.description}
            onChange={(event) => type("description", event.currentTarget.value)}
            maxLength={2000}
            autosize
            minRows={2}
          />
          <Asked field="description" settings={settings} domains={domains} />
        </div>
        {fields.classificationType && (
          <div>
            <Classification
              value={fields.classificationType}
              isChanged={fields.classificationType !== settings.saved.classificationType}
              onChange={(value) => type("classificationType", value)}
            />
            <Asked field="classificationType" settings={settings} domains={domains} />
          </div>
        )}
        {kind && (
          <div>
            <DomainField
              saved={settings.saved.domainId}
              chosen={fields.domainId}
              kind={kind}
              onChange={(id) => type("domainId", id)}
            />
            <Asked field="domainId" settings={settings} domains={domains} />
          </div>
        )}
        {settings.error && <ErrorNote error={settings.error} />}
        <Group>
          <Button
            type="submit"
            loading={settings.isSaving}
            disabled={!settings.isChanged || settings.conflicts.length > 0 || fields.name.trim() === ""}
          >
            {texts.common.save}
          </Button>
          {settings.isChanged && (
            <>
              <Button variant="default" onClick={settings.discard} disabled={settings.isSaving}>
                {said.discard}
              </Button>
              <Text size="sm" c="dimmed" role="status">
                {said.unsaved}
              </Text>
            </>
          )}
        </Group>
      </Stack>
    </form>
  );
}

interface ClassificationProps {
  value: Schemas["Classifier"];
  isChanged: boolean;
  onChange: (value: Schemas["Classifier"]) => void;
}

function Classification({ value, isChanged, onChange }: ClassificationProps): React.JSX.Element {
  const { classification, classifications } = texts.projects;
  return (
    <>
      <Radio.Group label={classification} value={value} onChange={(chosen) => onChange(chosen as typeof value)}>
        <Stack gap="xs" mt="xs">
          {CLASSIFIERS.map((one) => (
            <Radio key={one} value={one} label={classifications[one].name} description={classifications[one].text} />
          ))}
        </Stack>
      </Radio.Group>
      {isChanged && (
        <Alert color="blue" mt="xs" role="status">
          {texts.settings.classificationMeans[value]}
        </Alert>
      )}
    </>
  );
}

interface AskedProps {
  field: Field;
  settings: Settings;
  domains: readonly Schemas["Domain"][];
}

function Asked({ field, settings, domains }: AskedProps): React.JSX.Element | null {
  if (!settings.conflicts.includes(field)) return null;
  return (
    <Conflict
      theirs={said(field, settings.saved, domains)}
      insist={() => settings.insist(field)}
      drop={() => settings.drop(field)}
    />
  );
}

function said(field: Field, { name, description, domainId, classificationType }: Fields, domains: readonly Schemas["Domain"][]): string {
  const values: Record<Field, string | undefined> = {
    name,
    description,
    domainId: domains.find(({ id }) => id === domainId)?.name,
    classificationType: classificationType ? texts.projects.classifications[classificationType].name : undefined,
  };
  return values[field] ?? "";
}
