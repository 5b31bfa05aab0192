import { useParams } from "react-router";

/** The project of the page's address. */
export function useProjectId(): string {
  const { projectId } = useParams();
  if (!projectId) throw new Error("this page is shown without a project");
  return projectId;
}
