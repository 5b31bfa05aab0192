/** Which of the projects are shown, and in which order. */
import type { Schemas } from "@/api/client";

type Project = Schemas["ProjectSummary"];

/** Those in which every word of the search occurs; the last changed first. */
export function chosenProjects(projects: readonly Project[], search: string): Project[] {
  const words = plain(search).split(/\s+/).filter(Boolean);
  return projects
    .filter((project) => {
      const text = searched(project);
      return words.every((word) => text.includes(word));
    })
    .sort((one, other) => other.lastModified.localeCompare(one.lastModified));
}

/** A name that none of the projects has: the wanted one, or that with a number. */
export function freeName(wanted: string, projects: readonly { name: string }[]): string {
  const taken = new Set(projects.map((project) => project.name));
  let name = wanted;
  for (let number = 2; taken.has(name); number++) name = `${wanted} ${number}`;
  return name;
}

function searched(project: Project): string {
  const names = project.published.map((published) => published.publishName);
  return plain([project.name, project.description, project.id, ...names].join("\n"));
}

/** Without accents and capitals, so that `cafe` finds `Café`. */
function plain(text: string): string {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}
