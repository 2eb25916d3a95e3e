import type { Command } from "commander";

/** A command as a shell completes it: its words from the first, and what may follow. */
interface Entry {
  /** As "queues apply"; "" for the program itself. */
  readonly path: string;
  readonly commands: readonly Word[];
  readonly options: readonly Word[];
}

interface Word {
  readonly word: string;
  readonly about: string;
  readonly takesValue: boolean;
}

/** Everything that can be completed, read from the program itself, so that it is never older than that. */
function entriesOf(command: Command, path: readonly string[] = [], outer: readonly Word[] = []): Entry[] {
  const own = command.options
    .filter(({ long }) => long !== undefined)
    .map(({ long, description, required, optional }) => ({
      word: long ?? "",
      about: description,
      takesValue: required || optional,
    }));
  const options = [...own, ...outer];
  const commands = command.commands.map((inner) => ({
    word: inner.name(),
    about: inner.description(),
    takesValue: false,
  }));
  // What the program takes, its commands take too.
  const shared = path.length === 0 ? own.filter(({ word }) => word !== "--version") : outer;
  const inner = command.commands.flatMap((one) => entriesOf(one, [...path, one.name()], shared));
  return [{ path: path.join(" "), commands, options }, ...inner];
}

/** Completes commands and options; whatever else is a file. */
export function bashCompletion(program: Command): string {
  const entries = entriesOf(program);
  return `# bash completion of yardmaster: eval "$(yardmaster completion bash)"
_yardmaster() {
  local cur=\${COMP_WORDS[COMP_CWORD]} at="" word words=""
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$at $word" in
${steps(entries)}
    esac
  done
  case "$at" in
${entries.map((entry) => `      "${entry.path}") words="${wordsOf(entry)}" ;;`).join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _yardmaster yardmaster
`;
}

export function zshCompletion(program: Command): string {
  const entries = entriesOf(program);
  const described = (entry: Entry): string =>
    [...entry.commands, ...entry.options].map(({ word, about }) => quoted(`${word}:${about}`)).join(" ");
  return `#compdef yardmaster
# zsh completion of yardmaster: eval "$(yardmaster completion zsh)"
_yardmaster() {
  local at="" word
  local -a found
  for word in \${words[2,CURRENT-1]}; do
    case "$at $word" in
${steps(entries)}
    esac
  done
  case "$at" in
${entries.map((entry) => `      "${entry.path}") found=(${described(entry)}) ;;`).join("\n")}
  esac
  _describe yardmaster found
  _files
}
compdef _yardmaster yardmaster
`;
}

export function fishCompletion(program: Command): string {
  const entries = entriesOf(program);
  const lines = entries.flatMap(({ path, commands, options }) => {
    const condition = path === "" ? "__fish_use_subcommand" : seen(path);
    return [
      ...commands.map(
        ({ word, about }) => `complete -c yardmaster -f -n '${condition}' -a ${word} -d ${quoted(about)}`,
      ),
      ...options.map(
        ({ word, about, takesValue }) =>
          `complete -c yardmaster -n '${condition}' -l ${word.slice(2)}${takesValue ? " -r" : ""} -d ${quoted(about)}`,
      ),
    ];
  });
  return `# fish completion of yardmaster: yardmaster completion fish | source\n${lines.join("\n")}\n`;
}

/** The cases of a shell that lead from one command to the next. */
function steps(entries: readonly Entry[]): string {
  return entries
    .filter(({ path }) => path !== "")
    .map(({ path }) => {
      const words = path.split(" ");
      const from = words.slice(0, -1).join(" ");
      return `      "${from} ${words.at(-1)}") at="${path}" ;;`;
    })
    .join("\n");
}

function wordsOf({ commands, options }: Entry): string {
  return [...commands, ...options].map(({ word }) => word).join(" ");
}

function seen(path: string): string {
  return path
    .split(" ")
    .map((word) => `__fish_seen_subcommand_from ${word}`)
    .join("; and ");
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
