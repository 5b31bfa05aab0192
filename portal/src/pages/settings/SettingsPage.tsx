import { EmptyNote } from "@/components/EmptyNote";
import { texts } from "@/texts";

export default function SettingsPage(): React.JSX.Element {
  return <EmptyNote title={texts.settings.title} />;
}
