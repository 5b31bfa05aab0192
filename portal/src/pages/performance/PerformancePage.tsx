import { EmptyNote } from "@/components/EmptyNote";
import { texts } from "@/texts";

export default function PerformancePage(): React.JSX.Element {
  return <EmptyNote title={texts.performance.title} />;
}
