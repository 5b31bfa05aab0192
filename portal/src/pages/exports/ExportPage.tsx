import { EmptyNote } from "@/components/EmptyNote";
import { texts } from "@/texts";

export default function ExportPage(): React.JSX.Element {
  return <EmptyNote title={texts.exports.title} />;
}
