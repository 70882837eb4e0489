package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/internal/auth/hook"
	"github.com/suparust/suparust/server/internal/session"
)

// HookConfig is a hook: what a project is asked in a step of Auth.
type HookConfig = hook.Config

// Hooks by their names in the configuration.
const (
	HookCustomAccessToken    = "custom_access_token"
	HookBeforeUserCreated    = "before_user_created"
	HookAfterUserCreated     = "after_user_created"
	HookSendSMS              = "send_sms"
	HookSendEmail            = "send_email"
	HookPasswordVerification = "password_verification_attempt"
	HookMFAVerification      = "mfa_verification_attempt"
)

// hookLabels name the hooks in what they are told.
var hookLabels = map[string]string{
	HookCustomAccessToken: "customize-access-token", HookBeforeUserCreated: "before-user-created", HookAfterUserCreated: "after-user-created",
	HookSendSMS: "send-sms", HookSendEmail: "send-email", HookPasswordVerification: "password-verification", HookMFAVerification: "mfa-verification",
}

// HookNames are the hooks that there are.
func HookNames() []string { return slices.Sorted(maps.Keys(hookLabels)) }

// hooks are those that are on.
type hooks map[string]*hook.Hook

// newHooks checks the configuration of the hooks.
func newHooks(configs map[string]HookConfig) (hooks, error) {
	on := hooks{}
	for _, name := range slices.Sorted(maps.Keys(configs)) {
		if hookLabels[name] == "" {
			return nil, fmt.Errorf("auth: there is no hook %q: the hooks are %s", name, strings.Join(HookNames(), ", "))
		}
		k, err := hook.New(configs[name])
		if err != nil {
			return nil, fmt.Errorf("auth: the hook %s: %w", name, err)
		}
		if k != nil {
			on[name] = k
		}
	}
	return on, nil
}

// CheckHooks reports what is wrong with the configuration of hooks.
func CheckHooks(configs map[string]HookConfig) error {
	_, err := newHooks(configs)
	return err
}

func (k hooks) close() {
	for _, one := range k {
		one.Close()
	}
}

func (k hooks) on(name string) bool { return k[name] != nil }

// hookMetadata begins what every hook is told.
type hookMetadata struct {
	UUID      string    `json:"uuid"`
	Time      time.Time `json:"time"`
	Name      string    `json:"name"`
	IPAddress string    `json:"ip_address,omitempty"`
}

func (h *Handler) hookMetadata(r *http.Request, name string) hookMetadata {
	return hookMetadata{UUID: newID(), Time: h.now(), Name: hookLabels[name], IPAddress: clientIP(r)}
}

// ask asks a hook within the transaction of the work.
func (w *work) ask(name string, input any) ([]byte, error) {
	if err := w.Flush(w.ctx); err != nil {
		return nil, err
	}
	return w.h.askWithin(w.ctx, w.Tx, name, input)
}

// ask asks a hook in a transaction of its own, which stays whatever becomes of
// the request.
func (h *Handler) ask(r *http.Request, name string, input any) (answer []byte, err error) {
	if h.hooks[name].Function == "" {
		return h.askWithin(r.Context(), nil, name, input)
	}
	var refusal error
	err = h.db.Tx(r.Context(), nil, func(tx *session.Tx) error {
		answer, refusal = h.askWithin(r.Context(), tx, name, input)
		var e *Error
		if errors.As(refusal, &e) && e.Cause == nil {
			return nil // the hook's own word: what it has written stays
		}
		return refusal
	})
	if err == nil {
		err = refusal
	}
	return answer, err
}

func (h *Handler) askWithin(ctx context.Context, tx *session.Tx, name string, input any) ([]byte, error) {
	k := h.hooks[name]
	payload, err := json.Marshal(input)
	if err != nil {
		return nil, internal("Error marshaling JSON input.", err)
	}
	var answer []byte
	if k.Function != "" {
		answer, err = callFunction(ctx, tx, k, payload)
	} else {
		answer, err = k.Post(ctx, payload)
	}
	if err == nil {
		if refused := hook.Refusal(answer); refused != nil {
			err = refused
		} else if e := decodeAnswer(answer, &map[string]json.RawMessage{}); e != nil {
			err = &hook.Error{Status: http.StatusInternalServerError, Code: codeUnexpected, Message: "Error unmarshaling JSON output.", Cause: e}
		}
	}
	if err != nil {
		err = hookError(k, err)
		h.log.Warn("a hook failed or refused", "hook", name, "error", err)
		return nil, err
	}
	return answer, nil
}

// hookError is the answer to a request whose hook failed or refused it.
func hookError(k *hook.Hook, err error) error {
	var e *hook.Error
	switch {
	case errors.As(err, &e):
		return &Error{Status: e.Status, Code: e.Code, Message: e.Message, Cause: e.Cause}
	case errors.Is(err, context.Canceled):
		return err
	}
	return &Error{Status: http.StatusInternalServerError, Code: codeUnexpected, Message: "Error running hook URI: " + k.URI, Cause: err}
}

// callFunction calls the database's function that is the hook. Its argument
// takes the type the function declares, jsonb or json.
func callFunction(ctx context.Context, tx *session.Tx, k *hook.Hook, payload []byte) (answer []byte, err error) {
	limit := fmt.Sprintf("set local statement_timeout to %d", hook.FunctionTimeout.Milliseconds())
	if _, err := tx.Exec(ctx, limit); err != nil {
		return nil, err
	}
	// described anew each time: a project may replace the function by one that
	// returns another type
	rows, err := tx.Query(ctx, "select "+k.Function+"($1)",
		pgx.QueryExecModeDescribeExec, pgx.QueryResultFormats{pgx.TextFormatCode}, string(payload))
	if err != nil {
		return nil, err
	}
	found := rows.Next()
	if found {
		answer = slices.Clone(rows.RawValues()[0])
	}
	rows.Close()
	switch err := rows.Err(); {
	case err != nil:
		return nil, err
	case !found:
		return nil, errors.New("the function returned no row")
	}
	_, err = tx.Exec(ctx, "set local statement_timeout to default")
	return answer, err
}

// decode reads what a hook answered; no answer leaves v as it is.
func decodeAnswer(answer []byte, v any) error {
	if len(answer) == 0 {
		return nil
	}
	if err := json.Unmarshal(answer, v); err != nil {
		return internal("Error unmarshaling JSON output.", err)
	}
	return nil
}
