import { EmptyNote } from "@/components/EmptyNote";
import { texts } from "@/texts";

export default function SuggestedPage(): React.JSX.Element {
  return <EmptyNote title={texts.suggested.title} />;
}
