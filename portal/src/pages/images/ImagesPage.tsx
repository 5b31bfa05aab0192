import { EmptyNote } from "@/components/EmptyNote";
import { texts } from "@/texts";

export default function ImagesPage(): React.JSX.Element {
  return <EmptyNote title={texts.images.title} />;
}
