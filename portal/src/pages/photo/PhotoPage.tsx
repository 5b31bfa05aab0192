import { EmptyNote } from "@/components/EmptyNote";
import { texts } from "@/texts";

export default function PhotoPage(): React.JSX.Element {
  return <EmptyNote title={texts.photo.title} />;
}
