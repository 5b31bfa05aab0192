import { EmptyNote } from "@/components/EmptyNote";
import { texts } from "@/texts";

export default function ActivityPage(): React.JSX.Element {
  return <EmptyNote title={texts.training.title} />;
}
