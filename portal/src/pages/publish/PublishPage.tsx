import { EmptyNote } from "@/components/EmptyNote";
import { texts } from "@/texts";

export default function PublishPage(): React.JSX.Element {
  return <EmptyNote title={texts.publish.title} />;
}
