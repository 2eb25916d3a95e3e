/** What the name of a process's mailbox starts with: it is also the name that its presence is held under. */
export const CLIENT_PREFIX = "client:";
export const WORKER_PREFIX = "worker:";

export function clientMailbox(id: string): string {
  return CLIENT_PREFIX + id;
}

export function workerMailbox(id: string): string {
  return WORKER_PREFIX + id;
}

export function isWorkerMailbox(mailbox: string): boolean {
  return mailbox.startsWith(WORKER_PREFIX);
}

/** The id of the worker with this mailbox; a stranger's mailbox is no worker's id, and stays as it is. */
export function workerOf(mailbox: string): string {
  return isWorkerMailbox(mailbox) ? mailbox.slice(WORKER_PREFIX.length) : mailbox;
}
