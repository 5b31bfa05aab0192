import { EmptyNote } from "@/components/EmptyNote";
import { texts } from "@/texts";

export default function ProjectsPage(): React.JSX.Element {
  return <EmptyNote title={texts.projects.title} />;
}
