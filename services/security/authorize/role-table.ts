import type { PersonRole } from '../directory/roles.ts';

const session = 'sallyport.session.v1.SessionService';
const keyStore = 'sallyport.keystore.v1.KeyStore';
const device = 'sallyport.device.v1.DeviceService';
const directory = 'sallyport.directory.v1.Directory';
const sources = 'sallyport.directory.v1.Sources';
const catalog = 'sallyport.catalog.v1.AppCatalog';
const policy = 'sallyport.policy.v1.Policy';
const task = 'sallyport.task.v1.TaskService';
const schedule = 'sallyport.task.v1.ScheduleService';
const item = 'sallyport.task.v1.WorkItemService';

/**
 * The least role with which a person may call a method of administrators. What is not here is for
 * operators' certificates only. Of devices people may do all of it to their own without a role. Which roles may be touched, and who may end everybody's sessions, is looked
 * at where it is done.
 */
export const leastRole: Readonly<Record<string, PersonRole>> = {
  [`${session}/GetSession`]: 'viewer',
  [`${session}/ListSessions`]: 'viewer',
  [`${session}/RevokeSessions`]: 'helpdesk',
  [`${keyStore}/ListSharedKeys`]: 'viewer',
  [`${keyStore}/CreateActivation`]: 'helpdesk',
  [`${keyStore}/RotateSharedKey`]: 'security-officer',
  [`${keyStore}/RevokeSharedKey`]: 'security-officer',
  [`${keyStore}/RotateRootKey`]: 'security-officer',
  [`${keyStore}/GetRootKeyStatus`]: 'security-officer',
  [`${device}/ListDevices`]: 'viewer',
  [`${device}/GetDevice`]: 'viewer',
  [`${device}/RenameDevice`]: 'helpdesk',
  [`${device}/BlockDevice`]: 'helpdesk',
  [`${device}/UnblockDevice`]: 'helpdesk',
  [`${device}/WipeSessions`]: 'helpdesk',
  [`${device}/ReplaceDevice`]: 'helpdesk',
  [`${directory}/ListUsers`]: 'viewer',
  [`${directory}/GetUser`]: 'viewer',
  [`${directory}/CreateUser`]: 'operator',
  [`${directory}/UpdateUser`]: 'operator',
  [`${directory}/SetPassword`]: 'operator',
  [`${directory}/DeleteUser`]: 'operator',
  [`${sources}/ListSources`]: 'viewer',
  [`${sources}/GetSource`]: 'viewer',
  [`${sources}/GetSync`]: 'viewer',
  [`${sources}/TestSource`]: 'operator',
  [`${sources}/StartSync`]: 'operator',
  [`${sources}/CancelSync`]: 'operator',
  [`${sources}/PutSource`]: 'security-officer',
  [`${sources}/ListScimTokens`]: 'viewer',
  [`${sources}/CreateScimToken`]: 'security-officer',
  [`${sources}/RevokeScimToken`]: 'security-officer',
  [`${policy}/GetPolicy`]: 'viewer',
  [`${policy}/ListVersions`]: 'viewer',
  [`${policy}/Explain`]: 'viewer',
  [`${policy}/ApplyPolicy`]: 'operator',
  [`${policy}/ListProposals`]: 'viewer',
  [`${policy}/GetProposal`]: 'viewer',
  [`${policy}/ProposePolicy`]: 'operator',
  [`${policy}/RejectProposal`]: 'operator',
  [`${policy}/SignProposal`]: 'security-officer',
  [`${schedule}/ListSchedules`]: 'viewer',
  [`${schedule}/ReadReport`]: 'operator',
  [`${schedule}/PutSchedule`]: 'security-officer',
  [`${schedule}/RunSchedule`]: 'operator',
  [`${schedule}/PauseSchedule`]: 'operator',
  [`${schedule}/RemoveSchedule`]: 'security-officer',
  [`${task}/ListKinds`]: 'viewer',
  [`${task}/GetTask`]: 'viewer',
  [`${task}/ListTasks`]: 'viewer',
  [`${task}/WatchTask`]: 'viewer',
  [`${task}/SubmitTask`]: 'operator',
  [`${task}/CancelTask`]: 'operator',
  [`${task}/SignalTask`]: 'operator',
  [`${task}/RetryTask`]: 'operator',
  [`${task}/SkipStep`]: 'operator',
  [`${item}/ListItems`]: 'operator',
  [`${item}/GetItem`]: 'operator',
  [`${item}/GetForm`]: 'operator',
  [`${item}/ClaimItem`]: 'operator',
  [`${item}/ReleaseItem`]: 'operator',
  [`${item}/SaveDraft`]: 'operator',
  [`${item}/CompleteItem`]: 'operator',
  [`${item}/DelegateItem`]: 'operator',
  [`${catalog}/ListReleases`]: 'viewer',
  [`${catalog}/ListChannels`]: 'viewer',
  [`${catalog}/BeginUpload`]: 'operator',
  [`${catalog}/PutChunk`]: 'operator',
  [`${catalog}/CommitUpload`]: 'operator',
  [`${catalog}/ReadChunk`]: 'operator',
  [`${catalog}/SetRollout`]: 'operator',
  [`${catalog}/HaltRollout`]: 'operator',
  [`${catalog}/RollBack`]: 'operator',
  [`${catalog}/SetVersions`]: 'operator',
  [`${catalog}/RemoveRelease`]: 'operator',
  [`${catalog}/RotateKeys`]: 'security-officer',
};
