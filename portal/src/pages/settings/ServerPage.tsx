import { EmptyNote } from "@/components/EmptyNote";
import { texts } from "@/texts";

export default function ServerPage(): React.JSX.Element {
  return <EmptyNote title={texts.settings.title} />;
}
