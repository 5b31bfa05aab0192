import { SegmentedControl, Stack, Title } from "@mantine/core";
import { useSearchParams } from "react-router";

import { useMay } from "@/api/shared";
import { Section } from "@/components/Section";
import { texts } from "@/texts";

import { AuditLog } from "./audit/AuditLog";
import { KeysPanel } from "./keys/KeysPanel";
import { About } from "./server/About";

const PARTS = ["about", "keys", "audit"] as const;
type Part = (typeof PARTS)[number];

/** The server itself: what it is and does, and for administrators its keys and its log. */
export default function ServerPage(): React.JSX.Element {
  const [address, setAddress] = useSearchParams();
  const may = useMay();
  const said = texts.server;
  const wanted = PARTS.find((part) => part === address.get("show")) ?? "about";
  const shown: Part = may.administer ? wanted : "about";
  return (
    <Stack p="md">
      <Title order={1} size="h2">
        {said.title}
      </Title>
      {may.administer && (
        <SegmentedControl
          aria-label={said.navigation}
          data={PARTS.map((part) => ({ value: part, label: said.parts[part] }))}
          value={shown}
          onChange={(part) => setAddress(part === "about" ? {} : { show: part })}
          style={{ alignSelf: "start" }}
        />
      )}
      {shown === "about" && <About />}
      {shown === "keys" && (
        <Section title={said.keys.title} text={said.keys.text}>
          <KeysPanel />
        </Section>
      )}
      {shown === "audit" && (
        <Section title={said.parts.audit} text={said.audit.text}>
          <AuditLog />
        </Section>
      )}
    </Stack>
  );
}
