import { EmptyNote } from "@/components/EmptyNote";
import { texts } from "@/texts";

export default function PredictionsPage(): React.JSX.Element {
  return <EmptyNote title={texts.predictions.title} />;
}
