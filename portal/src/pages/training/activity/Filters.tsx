import { Group, Select } from "@mantine/core";

import { texts } from "@/texts";

import { type Filters as Chosen, useProjectNames } from "./useActivity";

interface Props {
  filters: Chosen;
  onChange: (filters: Chosen) => void;
}

/** Jobs of which kind, project and end are shown. */
export function Filters({ filters, onChange }: Props): React.JSX.Element {
  const said = texts.activity;
  const projects = useProjectNames();
  return (
    <Group gap="sm" role="group" aria-label={said.filters} align="end">
      <Select
        label={said.kind}
        placeholder={said.anyKind}
        data={(["Train", "Export", "Import"] as const).map((kind) => ({ value: kind, label: said.kinds[kind] }))}
        value={filters.kind}
        onChange={(kind) => onChange({ ...filters, kind })}
        clearable
        clearButtonProps={{ "aria-label": said.anyKind }}
        w={{ base: "100%", xs: 180 }}
      />
      <Select
        label={said.project}
        placeholder={said.anyProject}
        data={projects.data ?? []}
        value={filters.projectId}
        onChange={(projectId) => onChange({ ...filters, projectId })}
        searchable
        clearable
        clearButtonProps={{ "aria-label": said.anyProject }}
        w={{ base: "100%", xs: 240 }}
      />
      <Select
        label={said.state}
        placeholder={said.anyState}
        data={(["Done", "Failed", "Cancelled"] as const).map((state) => ({
          value: state,
          label: said.states[state],
        }))}
        value={filters.state}
        onChange={(state) => onChange({ ...filters, state })}
        clearable
        clearButtonProps={{ "aria-label": said.anyState }}
        w={{ base: "100%", xs: 180 }}
      />
    </Group>
  );
}
