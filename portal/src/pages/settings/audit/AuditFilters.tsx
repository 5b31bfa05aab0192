import { Button, Select, SimpleGrid, TextInput } from "@mantine/core";
import { useSearchParams } from "react-router";

import { texts } from "@/texts";

import { useApiKeys } from "../keys/useApiKeys";
import { ProjectSelect } from "../ProjectSelect";
import { ACTIONS } from "./actions";
import { type Filters, filtersOf, withFilter, withoutFilters } from "./filters";

/** Which changes are shown. */
export function AuditFilters(): React.JSX.Element {
  const [address, setAddress] = useSearchParams();
  const filters = filtersOf(address);
  const { found = [] } = useApiKeys();
  const said = texts.server.audit;
  const set = (name: keyof Filters, value: string | null): void =>
    setAddress((now) => withFilter(now, name, value), { replace: true });
  const known = found.map(({ id, name, hint }) => ({ value: id, label: `${name} ${texts.server.keys.endsIn(hint)}` }));
  return (
    <SimpleGrid cols={{ base: 1, xs: 2, sm: 3, lg: 5 }} spacing="sm" style={{ alignItems: "end" }}>
      <ProjectSelect
        label={said.project}
        placeholder={said.anyProject}
        value={filters.projectId ?? null}
        onChange={(value) => set("projectId", value)}
      />
      <Select
        label={said.key}
        placeholder={said.anyKey}
        data={known}
        value={filters.keyId ?? null}
        onChange={(value) => set("keyId", value)}
        searchable
        clearable
      />
      <Select
        label={said.action}
        placeholder={said.anyAction}
        data={ACTIONS.map((action) => ({ value: action, label: said.name(action) }))}
        value={filters.action ?? null}
        onChange={(value) => set("action", value)}
        searchable
        clearable
      />
      {(["since", "until"] as const).map((name) => (
        <TextInput
          key={name}
          type="datetime-local"
          label={said[name]}
          value={filters[name] ?? ""}
          onChange={(event) => set(name, event.currentTarget.value)}
          />
      ))}
      {Object.keys(filters).length > 0 && (
        <Button variant="default" onClick={() => setAddress(withoutFilters, { replace: true })} style={{ justifySelf: "start" }}>
          {said.clear}
        </Button>
      )}
    </SimpleGrid>
  );
}
