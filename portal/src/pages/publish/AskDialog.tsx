import { Checkbox, Group, Modal, SegmentedControl, Stack, Tabs, Text } from "@mantine/core";
import { useState } from "react";

import { texts } from "@/texts";

import { Copyable, CopyableLine } from "@/components/Copyable";
import { LANGUAGES, type Published, type Source, addressOf, linesOf } from "./lines";
import { PredictionKey } from "./PredictionKey";

interface Props {
  project: string;
  name: string;
  isDetection: boolean;
  onClose: () => void;
}

/** How programs ask a published model: address, key, and lines that are ready to run. */
export function AskDialog({ project, name, isDetection, onClose }: Props): React.JSX.Element {
  const [source, setSource] = useState<Source>("file");
  const [nostore, setNostore] = useState(false);
  const [key, setKey] = useState<string | null>(null);
  const published: Published = {
    server: window.location.origin,
    project,
    name,
    isDetection,
    nostore,
    key: key ?? texts.publish.yourKey,
  };
  return (
    <Modal opened onClose={onClose} title={texts.publish.ask(name)} size="xl" closeButtonProps={CLOSE}>
      <Stack gap="md">
        <Group justify="space-between">
          <SegmentedControl
            aria-label={texts.publish.source}
            value={source}
            onChange={(value) => setSource(value as Source)}
            data={[
              { value: "file", label: texts.publish.file },
              { value: "url", label: texts.publish.url },
            ]}
          />
          <Checkbox
            label={texts.publish.nostore}
            checked={nostore}
            onChange={(event) => setNostore(event.currentTarget.checked)}
          />
        </Group>
        <CopyableLine label={texts.publish.address} text={addressOf(published, source)} />
        <Text size="sm" c="dimmed">
          {texts.publish.contentTypes[source]}
        </Text>
        <PredictionKey project={project} name={name} created={key} onCreated={setKey} />
        <Tabs defaultValue="curl" keepMounted={false}>
          <Tabs.List aria-label={texts.publish.languages}>
            {LANGUAGES.map((language) => (
              <Tabs.Tab key={language} value={language}>
                {texts.publish.language[language]}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          {LANGUAGES.map((language) => (
            <Tabs.Panel key={language} value={language} pt="sm">
              <Copyable
                label={texts.publish.linesOf(texts.publish.language[language])}
                text={linesOf(language, published, source)}
              />
            </Tabs.Panel>
          ))}
        </Tabs>
      </Stack>
    </Modal>
  );
}

const CLOSE = { "aria-label": texts.common.close };
