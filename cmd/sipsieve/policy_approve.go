package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"sipsieve/cmd/sipsieve/config"
	"sipsieve/store/policy"
	"sipsieve/store/policy/approval"
)

func policyApproveCommand() *cobra.Command {
	var role, key, since string
	cmd := &cobra.Command{
		Use:   "approve FILE --role R --key KEYFILE [--since OLD]",
		Short: "sign a policy in a role: its text, the time, and what becomes different by it",
		Long: `Approve prints what becomes different for people's privacy from OLD, the policy that was approved before, and signs it with
the text of the policy, the role and the time. The signature goes into FILE.approval beside the policy, which has one approval
a role: one of the same role before is replaced. Without OLD the policy is the first, and everything in it is new.

KEYFILE is an Ed25519 key that only its owner can read, or a credential of that name (LoadCredential= of systemd). sipsieve
keys approver makes one; so does openssl genpkey -algorithm ed25519. The line for the daemon's configuration is printed.

Exit codes: 0 if it is signed; 1 if FILE.approval cannot be written; 2 if a policy, the key or a flag is refused.`,
		Example: "  sipsieve policy diff /etc/sipsieve/policy.toml draft.toml\n" +
			"  sipsieve policy approve draft.toml --role privacy-officer --key officer.pem --since /etc/sipsieve/policy.toml",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := config.ReadPolicy(args[0])
			if err != nil {
				return refused(err)
			}
			var before *policy.Policy
			if since != "" {
				if before, err = config.ReadPolicy(since); err != nil {
					return refused(err)
				}
			}
			last, err := approval.Read(args[0])
			if err == nil {
				err = last.Follows(role, p, before)
			}
			if err != nil {
				return refused(err)
			}
			private, err := config.SigningKey(key)
			if err != nil {
				return refused(err)
			}
			a, err := approval.Sign(private, role, time.Now(), p, before)
			if err != nil {
				return refused(err)
			}
			if err := approval.Add(args[0], a); err != nil {
				return exit{exitFindings, err}
			}
			return printApproval(cmd.OutOrStdout(), args[0], &a)
		},
	}
	cmd.Flags().StringVar(&role, "role", "", "the `role` in which you approve, such as privacy-officer")
	cmd.Flags().StringVar(&key, "key", "", "`file` with your private key")
	cmd.Flags().StringVar(&since, "since", "", "the policy that was approved before")
	_, _ = cmd.MarkFlagRequired("role"), cmd.MarkFlagRequired("key")
	return cmd
}

// printApproval prints what was signed, and the line by which a daemon demands it.
func printApproval(w io.Writer, path string, a *approval.Approval) error {
	for _, c := range a.Changes {
		fmt.Fprintln(w, c)
	}
	before := "as the first policy"
	if a.Since != "" {
		before = "after policy " + a.SinceHash()
	}
	_, err := fmt.Fprintf(w, "policy %s approved %s, as %s: %s\nfor [policy]: approvers = [%q]\n", a.Hash(), before, a,
		approval.PathOf(path), a.Role+":"+a.Key)
	return err
}

func keysApproverCommand() *cobra.Command {
	var role string
	cmd := &cobra.Command{
		Use:   "approver FILE --role R",
		Short: "write a new key for policy approve, unless it is there, and print the line for the daemon's configuration",
		Long: `Approver writes a new Ed25519 key, readable by its owner only, with which policy approve signs. If FILE is there it stays
as it is. Either way the public part is printed, as [policy] approvers of the daemon's configuration has it. Keep the file
where the approver keeps secrets, never on a host of a daemon: who has it approves in that role.

Exit codes: 0 if the key is there; 2 if it cannot be written or read, or the role is none.`,
		Example: "  sipsieve keys approver officer.pem --role privacy-officer",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := approval.CreateKey(args[0]); err != nil && !errors.Is(err, fs.ErrExist) {
				return refused(err)
			}
			private, err := approval.LoadKey(args[0], false)
			if err != nil {
				return refused(err)
			}
			o, err := approval.ApproverOf(role, private)
			if err != nil {
				return refused(err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "for [policy]: approvers = [%q]\n", o)
			return err
		},
	}
	cmd.Flags().StringVar(&role, "role", "", "the `role` in which its owner approves, such as privacy-officer")
	_ = cmd.MarkFlagRequired("role")
	return cmd
}
