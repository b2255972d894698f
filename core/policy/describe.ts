import type { AppContext, RequestFacts, SessionFacts } from './facts.ts';
import type { GrantReason } from './grant.ts';
import type { Resource, Rule } from './policy.ts';

export interface Circumstances {
  readonly rule: Pick<Rule, 'name' | 'minAuthLevel'> | undefined;
  readonly resource: Pick<Resource, 'name'> | undefined;
  readonly session: Pick<SessionFacts, 'authLevel'>;
  readonly app: AppContext | undefined;
  readonly request: RequestFacts;
}

/** One sentence that tells a person why. What the user does not know already it does not tell. */
export function describe(reason: GrantReason, circumstances: Circumstances): string {
  const { rule, resource, session, app, request } = circumstances;
  const by = rule ? `rule "${rule.name}" of ${resource?.name ?? 'no resource'}` : 'the policy';
  const thisApp = app ? `${app.appId} ${app.version}` : 'a session without an app';
  const system = app ? `${app.platform} ${app.osVersion}`.trim() : 'an unknown system';
  switch (reason) {
    case 'ALLOWED':
      return `${by} allows it`;
    case 'DENIED_BY_RULE':
      return `${by} denies it`;
    case 'SESSION_EXPIRED':
      return 'the session has expired';
    case 'NO_RESOURCE':
      return `no resource of the policy serves ${request.authority}${withoutQuery(request.path)}`;
    case 'NO_RULE':
      return `no rule of ${resource?.name ?? 'this resource'} is for this user`;
    case 'PLATFORM':
      return `${by} is not for ${system}`;
    case 'APP_NOT_ALLOWED':
      return `${by} is not for ${thisApp}`;
    case 'APP_CERTIFICATE':
      return `${by} expects another signing certificate of ${thisApp}`;
    case 'APP_TOO_OLD':
      return `${by} asks for a later version than ${thisApp}`;
    case 'APP_TOO_NEW':
      return `${by} does not know ${thisApp} yet`;
    case 'APP_BLOCKED':
      return `${by} blocks ${thisApp}`;
    case 'OS_TOO_OLD':
      return `${by} asks for a later version than ${system}`;
    case 'OS_TOO_NEW':
      return `${by} does not know ${system} yet`;
    case 'POSTURE':
      return `the state of the device does not satisfy ${by}`;
    case 'METHOD':
      return rule
        ? `${by} does not cover ${request.method}`
        : `${resource?.name ?? ''} does not take ${request.method}`;
    case 'NETWORK':
      return `${by} does not hold in this network`;
    case 'SITE':
      return `${by} does not hold at this site`;
    case 'TIME':
      return `${by} does not hold at this time`;
    case 'STEP_UP':
      return `${by} asks for level ${rule?.minAuthLevel ?? 0} of authentication, this is ${session.authLevel}`;
  }
}

/** Queries carry what people type; they belong into no log. */
function withoutQuery(path: string): string {
  const question = path.indexOf('?');
  return question < 0 ? path : path.slice(0, question);
}
