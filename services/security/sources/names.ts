/** What names of users and groups may be, whichever way they come in. */

/** As CreateUser has it: what a path or another site's user is told by is in no name. */
export const loginName = /^[^\p{C}/~]*[^\p{C}\p{Z}/~][^\p{C}/~]*$/u;
export const groupName = /^[^\p{C}]*[^\p{C}\p{Z}][^\p{C}]*$/u;
export const maxName = 128;
/** A policy's groups are looked up for every decision: a session carries no more. */
export const maxGroups = 100;
