package oauth

import (
	"encoding/json"
	"net/url"
	"testing"
	"time"
)

// TestOAuth1Signature is the example of RFC 5849, section 1.2.
func TestOAuth1Signature(t *testing.T) {
	p := url.Values{
		"oauth_consumer_key": {"dpf43f3p2l4k3l03"}, "oauth_token": {"nnch734d00sl2jdk"}, "oauth_signature_method": {"HMAC-SHA1"},
		"oauth_timestamp": {"137131202"}, "oauth_nonce": {"chapoH"},
	}
	got := signOAuth1("GET", "http://photos.example.net/photos", "kd94hf93k423kf44", "pfkkdhi9sl3r4s00", p,
		url.Values{"file": {"vacation.jpg"}, "size": {"original"}})
	if want := "MdpQcU8iPSUjWoN/UDMsK2sui9I="; got != want {
		t.Errorf("the signature is %s, want %s", got, want)
	}
	for in, want := range map[string]string{"Ladies + Gentlemen": "Ladies%20%2B%20Gentlemen", "An encoded string!": "An%20encoded%20string%21",
		"Dogs, Cats & Mice": "Dogs%2C%20Cats%20%26%20Mice", "☃": "%E2%98%83", "a-b._~*": "a-b._~%2A"} {
		if got := escapeOAuth1(in); got != want {
			t.Errorf("%s is %s, want %s", in, got, want)
		}
	}
}

func TestAzureIssuers(t *testing.T) {
	for issuer, want := range map[string]bool{
		"https://login.microsoftonline.com/t/v2.0": true, "https://login.microsoftonline.com/t/v2.0/": true,
		"https://sts.windows.net/t/": true, "https://login.microsoftonline.com/a/b/v2.0": false,
		"https://login.microsoftonline.com@evil.test/v2.0": false, "https://login.microsoftonline.com.evil.test/t/v2.0": false,
		"http://login.microsoftonline.com/t/v2.0": false, "https://login.microsoftonline.com/t?x=/v2.0": false, "": false,
	} {
		if got := IsAzureTokenIssuer(issuer); got != want {
			t.Errorf("%s: %t", issuer, got)
		}
	}
}

func FuzzIDToken(f *testing.F) {
	fake := NewFake("http://fake.test", FakeAll, nil)
	good, err := fake.idToken("google", Config{}, FakeUser{}.complete("google"), "c", "n", "a")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	now := time.Now()
	f.Fuzz(func(t *testing.T, token string) {
		_, _ = IssuerOf(token)
		c, err := fake.issuers().verify(t.Context(), issuerGoogle, token)
		if err != nil {
			return
		}
		if token != good {
			t.Errorf("a token that was never issued is good: %s", token)
		}
		if _, err := judge(c, issuerGoogle, token, "a", now); err != nil {
			t.Error(err)
		}
	})
}

// FuzzIDClaims reads claims of every issuer, which are signed by it and may still
// be anything.
func FuzzIDClaims(f *testing.F) {
	f.Add(`{"sub":"1","email":"a@b.c","email_verified":"true","aud":["x"],"updated_at":1,"xms_edov":1}`)
	f.Add(`{"is_private_email":"no","auth_time":1.5,"locale":{"country":"US"}}`)
	f.Fuzz(func(t *testing.T, raw string) {
		for _, issuer := range []string{issuerGoogle, issuerApple, issuerAzure, issuerFacebook, issuerKakao, issuerLinkedin, issuerSnapchat, issuerVercel, "https://id.test"} {
			a, err := accountOf(&IDToken{Issuer: issuer, Subject: "1", raw: []byte(raw)})
			if err != nil {
				continue
			}
			a.Settle()
			if data := a.Claims.Data(); data["email_verified"] == true && len(a.Emails) == 0 {
				t.Errorf("%s: an address is verified that is not there: %v", issuer, data)
			}
		}
	})
}

func FuzzTokenAnswer(f *testing.F) {
	f.Add("application/json", `{"access_token":"a","expires_in":"x"}`)
	f.Add("text/plain; charset=utf-8", "access_token=a&x=%zz")
	f.Fuzz(func(t *testing.T, kind, body string) {
		if g, err := parseGrant(kind, []byte(body)); err == nil && g.AccessToken == "" {
			t.Error("a grant without a token")
		}
	})
}

func FuzzKeys(f *testing.F) {
	f.Add(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"},{"kty":"oct","k":"AAAA"},7,null]}`)
	f.Fuzz(func(t *testing.T, raw string) {
		set, err := parseJWKS([]byte(raw))
		if err != nil {
			return
		}
		for _, k := range set {
			if k.Algorithm == "HS256" || k.Sign != nil {
				t.Errorf("a key of %s can sign", k.Algorithm)
			}
		}
	})
}

// Services that tell claims of their own have them in the user's data even
// where there are none.
func TestNoClaimsOfTheirOwn(t *testing.T) {
	for custom, want := range map[string]bool{"{}": true, "null": false} {
		var c Claims
		if err := json.Unmarshal([]byte(custom), &c.Custom); err != nil {
			t.Fatal(err)
		}
		if _, got := c.Data()["custom_claims"]; got != want {
			t.Errorf("%s: custom_claims there: %t", custom, got)
		}
	}
	a, err := azureClaims(&IDToken{Issuer: "i", Subject: "s", raw: []byte(`{"sub":"s","name":"n"}`)})
	if err != nil || a.Claims.Custom == nil {
		t.Errorf("%+v, %v", a, err)
	}
}
