import { EmptyNote } from "@/components/EmptyNote";
import { texts } from "@/texts";

export default function QuickTestPage(): React.JSX.Element {
  return <EmptyNote title={texts.quickTest.title} />;
}
