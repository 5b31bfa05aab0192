import { Select, type SelectProps } from "@mantine/core";

import { useProjects } from "@/pages/projects/useProjects";

type Props = Omit<SelectProps, "data">;

/** One of the projects, or none of them. */
export function ProjectSelect(props: Props): React.JSX.Element {
  const { projects = [] } = useProjects();
  const data = projects.map(({ id, name }) => ({ value: id, label: name }));
  const isUnknown = props.value && !projects.some(({ id }) => id === props.value);
  return (
    <Select
      data={isUnknown ? [...data, { value: props.value ?? "", label: props.value ?? "" }] : data}
      searchable
      clearable
      {...props}
    />
  );
}
