import { EmptyNote } from "@/components/EmptyNote";
import { texts } from "@/texts";

export default function TrainPage(): React.JSX.Element {
  return <EmptyNote title={texts.training.title} />;
}
