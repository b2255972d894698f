import { createHash } from 'node:crypto';
import { create, type DescFile, type DescMessage, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { canonicalUser } from '#core/ids/canonical-user.ts';
import type { Ask, Candidates } from '../engine/definition.ts';
import type { FormText, NewItem } from '../store/task-store.ts';

const maxCandidates = 100;
const maxTitle = 200;

/** @throws TypeError when the definition asks nobody, or for nothing: a fault of the definition */
export function newItem(ask: Ask, nowMs: number): NewItem {
  const { title, details = null, form, to, except = [], escalate } = ask;
  if (title.length === 0 || title.length > maxTitle)
    throw new TypeError(`a work item's title has 1 to ${maxTitle} characters`);
  return {
    title,
    details,
    form: formOf(form),
    candidates: candidatesOf(to),
    except: except.map(canonicalUser),
    escalate: escalate && {
      atMs: Math.ceil(nowMs + Math.max(0, escalate.afterMs)),
      candidates: candidatesOf(escalate.to),
    },
  };
}

function candidatesOf({ users = [], groups = [], roles = [] }: Candidates): readonly string[] {
  const all = [
    ...users.map((user) => `user/${canonicalUser(user)}`),
    ...groups.map((group) => `group/${group}`),
    ...roles.map((role) => `role/${role}`),
  ];
  if (all.length === 0 || all.length > maxCandidates || all.some((each) => Buffer.byteLength(each) > 180))
    throw new TypeError(`a work item is for 1 to ${maxCandidates} users, groups or roles`);
  return [...new Set(all)];
}

const forms = new Map<string, FormText>();

/** A form with all files that it needs, each before those that need it. */
function formOf(form: DescMessage): FormText {
  const known = forms.get(form.typeName);
  if (known !== undefined) return known;
  const files = new Map<string, DescFile>();
  const add = (file: DescFile): void => {
    if (files.has(file.name)) return;
    for (const needed of file.dependencies) add(needed);
    files.set(file.name, file);
  };
  add(form.file);
  const set = create(FileDescriptorSetSchema, { file: [...files.values()].map(({ proto }) => proto) });
  const descriptorSet = toBinary(FileDescriptorSetSchema, set);
  const hash = createHash('sha256').update(`${form.typeName}\0`).update(descriptorSet);
  const id = hash.digest().subarray(0, 16).toString('base64url');
  const made = { id, type: form.typeName, descriptorSet };
  forms.set(form.typeName, made);
  return made;
}
